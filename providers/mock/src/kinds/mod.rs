//! What is particular to each kind.

mod log;
mod monitor;
mod rds;
mod slb;
mod vpc;

pub(crate) use log::Log;
pub(crate) use monitor::Monitor;
pub(crate) use rds::Rds;
pub(crate) use slb::Slb;
pub(crate) use vpc::Vpc;

/// The settings of one kind, by reference.
macro_rules! settings {
    ($kind:ident) => {
        fn settings(settings: &$crate::resource::Settings) -> Option<&Self::Spec> {
            match settings {
                $crate::resource::Settings::$kind(settings) => Some(settings),
                _ => None,
            }
        }
    };
}
pub(crate) use settings;
