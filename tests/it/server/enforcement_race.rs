//! One who changes tag and signature, many who read: nobody is served what was not signed at some
//! instant between their question and the answer (server.md §4).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use serde_json::json;
use trust::oci::manifest::OCI_MANIFEST;
use trust::server::{Server, http, service};

use super::enforcement_site::{PUSHER, READER, Site, login};

/// How long it lasts, in seconds; a few where many tests are run.
const SECONDS: u64 = 60;
const SECONDS_AMONG_OTHERS: u64 = 4;
/// How many read.
const READERS: usize = 8;

/// When a manifest was published, from before the request to after its answer.
#[derive(Debug, Clone, Copy)]
struct Published {
    begun: Instant,
    number: usize,
}

/// What one reader saw.
#[derive(Debug)]
struct Seen {
    asked: Instant,
    answered: Instant,
    status: u16,
    body: Vec<u8>,
}

#[test]
fn signed_pushes_are_never_seen_in_part() {
    let mut site = Site::new(&json!({"pull": "enforce"}));
    let mut images = Images::new(&site);
    let seen = race(&mut site, &mut images, |site, bytes| {
        site.owner.add_target("targets", "v1", bytes);
        site.owner.bump(&["targets"]);
        let body = site.signed_push("v1", &[(OCI_MANIFEST, bytes)], &["targets"]);
        let answer = site.send_push(PUSHER, body);
        assert_eq!(answer.status, 201, "{}", answer.text());
    });
    // There is no instant at which tag and signature do not fit.
    assert!(seen.iter().all(|seen| seen.status == 200));
}

#[test]
fn in_dockers_order_something_is_denied_and_nothing_is_wrong() {
    let mut site = Site::new(&json!({"pull": "enforce"}));
    let mut images = Images::new(&site);
    let seen = race(&mut site, &mut images, |site, bytes| {
        assert_eq!(site.put("v1", OCI_MANIFEST, bytes).status, 201);
        site.sign("v1", bytes);
    });
    assert!(seen.iter().all(|seen| matches!(seen.status, 200 | 403)));
}

#[test]
fn in_quarantine_docker_takes_nothing_away_from_readers() {
    let mut site = Site::new(&json!({"pull": "enforce", "push": "enforce"}));
    let mut images = Images::new(&site);
    let seen = race(&mut site, &mut images, |site, bytes| {
        assert_eq!(site.put("v1", OCI_MANIFEST, bytes).status, 201);
        site.sign("v1", bytes);
    });
    assert!(seen.iter().all(|seen| seen.status == 200));
}

/// Manifests that differ, all of one image.
struct Images {
    first: Vec<u8>,
    numbers: HashMap<Vec<u8>, usize>,
}

impl Images {
    fn new(site: &Site) -> Self {
        Self { first: site.prepared("image").bytes, numbers: HashMap::new() }
    }

    fn next(&mut self) -> (usize, Vec<u8>) {
        let number = self.numbers.len();
        let mut bytes = self.first.clone();
        // Space is no part of what it says.
        bytes.extend(format!("\n{}", " ".repeat(number)).into_bytes());
        self.numbers.insert(bytes.clone(), number);
        (number, bytes)
    }
}

fn race(
    site: &mut Site,
    images: &mut Images,
    mut publish: impl FnMut(&mut Site, &[u8]),
) -> Vec<Seen> {
    // As it runs for people: with what was answered a moment ago kept in memory.
    site.server.change(|server| server.meta = server.meta.clone().with_answers_in_memory());
    let seconds = match std::env::var_os("TRUST_TEST_FULL_LENGTH") {
        Some(_) => SECONDS,
        None => SECONDS_AMONG_OTHERS,
    };
    let (_, first) = images.next();
    let mut published = vec![Published { begun: Instant::now(), number: 0 }];
    publish(site, &first);
    let mut ended = vec![Instant::now()];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let is_over = Arc::new(AtomicBool::new(false));
    for _ in 0..READERS {
        let server = Arc::clone(&site.server.server);
        let (seen, is_over) = (Arc::clone(&seen), Arc::clone(&is_over));
        site.server.runtime.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let one = ask(&server).await;
                seen.lock().unwrap().push(one);
                // An answer from memory waits for nothing, and others want to run as well.
                tokio::task::yield_now().await;
            }
        });
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let (number, bytes) = images.next();
        published.push(Published { begun: Instant::now(), number });
        publish(site, &bytes);
        ended.push(Instant::now());
    }
    is_over.store(true, Ordering::Relaxed);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(published.len() > 3 && seen.len() > READERS, "something was to be seen");
    for one in seen.iter().filter(|seen| seen.status == 200) {
        let number = images.numbers[&one.body];
        // It was signed from some instant of its publication to some instant of the next.
        let begun = published.iter().find(|published| published.number == number).unwrap().begun;
        let replaced = ended.get(number + 1);
        assert!(one.answered >= begun, "{number} was served before it was signed");
        assert!(
            replaced.is_none_or(|replaced| *replaced >= one.asked),
            "{number} was served after another was signed"
        );
    }
    seen
}

async fn ask(server: &Arc<Server>) -> Seen {
    let asked = Instant::now();
    let request = ::http::Request::builder()
        .uri("/v2/app/manifests/v1")
        .header("authorization", login(READER))
        .body(http::empty_body())
        .unwrap();
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let response = service::respond(server, request, peer, String::new()).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Seen { asked, answered: Instant::now(), status: parts.status.as_u16(), body }
}
