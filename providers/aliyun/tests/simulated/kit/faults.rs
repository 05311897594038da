//! The cloud's own faults, request by request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mooring_provider::conformance::{Faults, When};
use mooring_simulator_aliyun::{Fault, Handle};

/// One request of a numbered sequence fails. After its effect the answer is lost: the client cannot know.
pub(super) struct Requests {
    cloud: Arc<Handle>,
    hit: Arc<AtomicBool>,
}

impl Requests {
    pub(super) fn of(cloud: &Arc<Handle>) -> Arc<dyn Faults> {
        Arc::new(Self {
            cloud: cloud.clone(),
            hit: Arc::default(),
        })
    }
}

impl Faults for Requests {
    fn arm(&self, position: usize, when: When) {
        let (count, hit) = (AtomicUsize::new(0), self.hit.clone());
        hit.store(false, Ordering::SeqCst);
        self.cloud.fail_by(move |_| {
            let now = count.fetch_add(1, Ordering::SeqCst) == position;
            hit.fetch_or(now, Ordering::SeqCst);
            now.then_some(match when {
                When::Before => Fault::Before,
                When::After => Fault::Lost,
            })
        });
    }

    fn disarm(&self) -> bool {
        self.cloud.clear_faults();
        self.hit.load(Ordering::SeqCst)
    }
}
