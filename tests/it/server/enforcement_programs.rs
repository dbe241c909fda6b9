//! The real programs, and ours, against a server that enforces.

use serde_json::json;
use trust::server::trust::{Gate, Policy, PolicyConfig};

use super::harness::TestServer;
use crate::harness::Key;
use crate::peers::{Dockerd, User, image};

/// A server that asks nobody, and serves nothing that is not signed.
struct World {
    server: TestServer,
    host: String,
}

impl World {
    fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let nobody = Key::plain().id().to_string();
        let server = TestServer::with(|server| {
            server.gate = Gate::new(policy(&[nobody]), vec![host.clone()]);
        });
        server.listen_on(listener);
        Self { server, host }
    }

    fn user(&self) -> User {
        let mut user = User::new();
        user.use_plain_trust_server(&format!("http://{}", self.host));
        user
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.host)
    }

    /// Pins the root that is published.
    fn pin(&self) {
        let root = self.server.get(&format!("/v2/{}/app/_trust/tuf/root.json", self.host)).json();
        let ids = root["signed"]["roles"]["root"]["keyids"].as_array().unwrap();
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        self.server.server.gate.reload(policy(&ids));
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.server.log.lock().unwrap())
    }
}

fn policy(key_ids: &[String]) -> Policy {
    let rule = json!({
        "repository": "**", "pull": "enforce", "push": "enforce", "roots": {"key_ids": key_ids},
    });
    let config: PolicyConfig = serde_json::from_value(json!({"rules": [rule]})).unwrap();
    Policy::from_config(&config).unwrap()
}

#[test]
fn docker_and_skopeo_push_and_are_told_why_they_cannot_pull() {
    let world = World::new();
    let daemon = Dockerd::start();
    let mut user = world.user();
    user.use_docker(&daemon);
    user.unset("DOCKER_CONTENT_TRUST");
    let archive = image::tar("content", b"from docker");
    let name = world.name("1");
    user.docker_with_input(&["import", "-", &name], &archive).success();
    // A second time all of it is there, and nobody may know.
    for _ in 0..2 {
        user.docker(&["push", &name]).success();
        let asked = world.asked();
        assert!(asked.iter().all(|line| !line.ends_with(" 403")), "{asked:?}");
    }
    let refused = user.docker(&["pull", &name]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("is not served: "), "{refused:?}");

    let from = format!("docker-daemon:{name}");
    let to = format!("docker://{}", world.name("2"));
    let docker_host = format!("--src-daemon-host={}", daemon.host());
    let copy = ["copy", "--dest-tls-verify=false", &docker_host, &from, &to];
    for _ in 0..2 {
        user.program("skopeo", &copy).success();
    }
    let refused = user.program("skopeo", &["inspect", "--tls-verify=false", &to]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("is not served: "), "{refused:?}");
}

#[test]
fn our_push_signs_and_pushes_at_once() {
    let world = World::new();
    let user = world.user();
    let archive = image::tar("content", b"one");
    user.trust_with_input(&["image", "import", "-", &world.name("1")], &archive).success();
    user.trust(&["push", "--trust", "--signer", "alice", &world.name("1")]).success();
    let asked = world.asked();
    let pushed = asked.iter().filter(|line| line.as_str() == "POST /v2/app/_trust/push 201");
    assert_eq!(pushed.count(), 1, "{asked:#?}");
    let in_steps = |line: &&String| line.starts_with("PUT /v2/app/manifests/");
    assert_eq!(asked.iter().filter(in_steps).count(), 0, "{asked:#?}");
    // Nobody said yet whose root that is.
    let answer = world.server.get("/v2/app/manifests/1");
    assert_eq!(answer.json()["errors"][0]["detail"]["reason"], "untrusted-root");
    world.pin();
    assert_eq!(world.server.get("/v2/app/manifests/1").status, 200);
    let reader = world.user();
    reader.trust(&["pull", "--disable-content-trust", &world.name("1")]).success();
    reader.trust(&["verify", &world.name("1")]).success();

    // The next one: in nobody's way at any time.
    let archive = image::tar("content", b"two");
    user.trust_with_input(&["image", "import", "-", &world.name("1")], &archive).success();
    user.trust(&["push", "--trust", &world.name("1")]).success();
    let gate = &world.server.server.gate;
    let counted: u64 = gate.counts().iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 1);
    reader.trust(&["pull", "--disable-content-trust", &world.name("1")]).success();

    // Nothing to sign: the image is there already, and stays.
    world.asked();
    user.trust(&["push", "--trust", &world.name("1")]).success();
    let asked = world.asked();
    assert!(!asked.iter().any(|line| line.contains("_trust/push")), "{asked:#?}");
    assert_eq!(world.server.get("/v2/app/manifests/1").status, 200);

    // Without content trust it waits in quarantine.
    let archive = image::tar("content", b"three");
    user.trust_with_input(&["image", "import", "-", &world.name("1")], &archive).success();
    let before = world.server.get("/v2/app/manifests/1").body;
    user.trust(&["push", "--disable-content-trust", &world.name("1")]).success();
    assert_eq!(world.server.get("/v2/app/manifests/1").body, before);
}
