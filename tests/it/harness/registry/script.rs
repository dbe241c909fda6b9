//! When something goes wrong.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::fault::Fault;
use super::server::World;
use crate::harness::server::Request;

type Decision = dyn Fn(&Request, &World) -> Option<Fault> + Send + Sync;

/// Rules for faults; the first that has something against a request decides. It sees the head of
/// the request only. Clones are the same script.
#[derive(Clone, Default)]
pub(crate) struct Script {
    rules: Arc<Mutex<Vec<Arc<Decision>>>>,
}

impl Script {
    /// Asks this of every request from now on.
    pub(crate) fn rule(
        &self,
        decision: impl Fn(&Request, &World) -> Option<Fault> + Send + Sync + 'static,
    ) {
        self.rules.lock().unwrap().push(Arc::new(decision));
    }

    /// Fails every request of this method whose target has this part.
    pub(crate) fn always(
        &self,
        method: &'static str,
        part: &str,
        fault: impl Fn() -> Fault + Send + Sync + 'static,
    ) {
        self.nth(method, part, 1.., fault);
    }

    /// Fails the first request of this method whose target has this part.
    pub(crate) fn once(
        &self,
        method: &'static str,
        part: &str,
        fault: impl Fn() -> Fault + Send + Sync + 'static,
    ) {
        self.nth(method, part, 1..=1, fault);
    }

    /// Fails those of the requests of this method whose target has this part that have these
    /// numbers, the first being 1.
    pub(crate) fn nth(
        &self,
        method: &'static str,
        part: &str,
        numbers: impl std::ops::RangeBounds<usize> + Send + Sync + 'static,
        fault: impl Fn() -> Fault + Send + Sync + 'static,
    ) {
        let (part, seen) = (part.to_owned(), Mutex::new(0));
        self.rule(move |request, _| {
            if request.method != method || !request.target.contains(&part) {
                return None;
            }
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            numbers.contains(&*seen).then(&fault)
        });
    }

    /// Forgets all rules: from now on the registry is an honest one.
    pub(crate) fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// Returns what goes wrong with a request. Rules may wait for one another's requests.
    pub(super) fn decide(&self, request: &Request, world: &World) -> Option<Fault> {
        let rules = self.rules.lock().unwrap().clone();
        rules.iter().find_map(|rule| rule(request, world))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("rules", &self.rules.lock().unwrap().len()).finish()
    }
}
