//! Two applications of one name on one server: what they have is called alike, and is not the same.

use mooring_provider::{
    Access, Account, ClusterId, Identity, Key, Owner,
    conformance::{Life, Subject, Wish},
    spec::Engine,
};

use crate::subject::{OneServer, database};

async fn namesakes(engine: Engine) {
    let one = OneServer::start(engine).await;
    let mut lives = Vec::new();
    for (namespace, identity) in [("team-a", "k3x9"), ("team-b", "m4y8")] {
        let owner = Owner {
            cluster: ClusterId::new("tests"),
            identity: Identity::new(identity),
            key: Key::new(namespace, "shop", "web", "rds"),
        };
        let mut life = Life::new(&one, one.adapter(), owner);
        // Each would like to be called like its application.
        let account = Account {
            name: one.adapter().login(&Identity::new(identity), "shop"),
            access: Access::Owner,
            password: format!("Own-1-{identity}").into(),
        };
        life.accounts = vec![(account, false)];
        life.until(Wish::Present).await.expect("there is room for both");
        lives.push((life, identity));
    }
    let parts: Vec<_> = lives
        .iter()
        .map(|(life, identity)| {
            let name = database(life.claim.id.as_ref().expect("it is ready")).to_owned();
            (name, life.accounts[0].0.name.clone(), format!("Own-1-{identity}"))
        })
        .collect();
    assert!(parts[0].0 != parts[1].0 && parts[0].1 != parts[1].1, "{parts:?}");
    let enters = async |login: usize, password: usize, name: usize| {
        let (_, user, _) = &parts[login];
        let entered = one
            .server
            .login(user, &parts[password].2, Some(&parts[name].0), "SELECT 1")
            .await;
        entered.is_ok()
    };
    for (own, other) in [(0, 1), (1, 0)] {
        assert!(enters(own, own, own).await, "{:?}", parts[own]);
        assert!(!enters(own, own, other).await, "it enters its namesake's database");
        assert!(!enters(own, other, own).await, "its namesake's password is good");
    }
    let (mut first, mut second) = (lives.remove(0).0, lives.remove(0).0);
    first.until(Wish::Absent).await.expect("it goes");
    assert!(!enters(0, 0, 0).await && enters(1, 1, 1).await, "its namesake stays");
    second.until(Wish::Absent).await.expect("it goes");
}

#[tokio::test(start_paused = true)]
async fn postgresql() {
    namesakes(Engine::Postgresql).await;
}

#[tokio::test(start_paused = true)]
async fn mariadb() {
    namesakes(Engine::Mariadb).await;
}
