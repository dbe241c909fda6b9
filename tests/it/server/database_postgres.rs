//! PostgreSQL that is killed, in the way, or not ours.

use std::time::Duration;

use tokio::runtime::Runtime;
use trust::server::meta::{Attempts, Job, MetaError, MetaStore, Options};
use trust::tuf::Gun;

use crate::peers::Postgres;

/// A cluster, and the server's view of a database there.
struct World {
    runtime: Runtime,
    cluster: Postgres,
    address: String,
}

impl World {
    fn new() -> Self {
        let cluster = Postgres::start();
        let address = cluster.create_database("trust");
        Self { runtime: Runtime::new().unwrap(), cluster, address }
    }

    fn open(&self) -> Result<MetaStore, MetaError> {
        self.runtime.block_on(MetaStore::open(&Options::Postgres(self.address.clone())))
    }
}

async fn count(store: &MetaStore) -> Result<i64, MetaError> {
    let mut writing = store.write().await?;
    let number = writing.next_number("feed").await?;
    writing.commit().await?;
    Ok(number)
}

#[test]
fn killed_and_back_again_nothing_acknowledged_is_lost() {
    let mut world = World::new();
    let store = world.open().unwrap();
    let mut acknowledged = 0;
    for _ in 0..3 {
        // Writers are at it when it dies: connections in use, and others that lie idle.
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                world.runtime.spawn(async move {
                    let mut last = 0;
                    loop {
                        match count(&store).await {
                            Ok(number) => last = number,
                            Err(error) => break (last, error),
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        world.cluster.crash();
        for writer in writers {
            let (last, error) = world.runtime.block_on(writer).unwrap();
            assert!(matches!(error, MetaError::Unavailable(_)), "{error:?}");
            acknowledged = acknowledged.max(last);
        }
        let error = world.runtime.block_on(store.ping()).unwrap_err();
        assert!(matches!(error, MetaError::Unavailable(_)), "{error:?}");
        world.cluster.restart();
        // The first question after it: no connection is left that is dead.
        let next = world.runtime.block_on(count(&store)).unwrap();
        assert!(next > acknowledged, "{next} after {acknowledged}");
        acknowledged = next;
    }
    world.runtime.block_on(store.close());
}

#[test]
fn idle_connections_that_died_are_passed_over() {
    let mut world = World::new();
    let store = world.open().unwrap();
    // All connections at once, then all of them idle.
    world.runtime.block_on(async {
        let mut snapshots = Vec::new();
        for _ in 0..16 {
            snapshots.push(store.read().await.unwrap());
        }
    });
    world.cluster.restart();
    for _ in 0..20 {
        world.runtime.block_on(store.ping()).unwrap();
    }
    world.runtime.block_on(store.close());
}

#[test]
fn of_two_that_wait_for_each_other_one_may_try_again() {
    let world = World::new();
    let store = world.open().unwrap();
    let [first, second] = ["host/a", "host/b"].map(|gun| Gun::parse(gun).unwrap());
    let change = |store: MetaStore, one: Gun, other: Gun| async move {
        let mut attempts = Attempts::default();
        let mut failures = 0;
        loop {
            let result = async {
                let mut writing = store.write().await?;
                writing.lock_collection(&one).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                writing.lock_collection(&other).await?;
                writing.commit().await
            };
            match result.await {
                Ok(()) => break failures,
                Err(error) => {
                    assert!(matches!(error, MetaError::Contended(_)), "{error:?}");
                    assert!(attempts.again(&error).await, "too many failures");
                    failures += 1;
                }
            }
        }
    };
    let failures = world.runtime.block_on(async {
        let one = tokio::spawn(change(store.clone(), first.clone(), second.clone()));
        let other = tokio::spawn(change(store.clone(), second, first));
        one.await.unwrap() + other.await.unwrap()
    });
    assert!(failures >= 1, "they never met");
    world.runtime.block_on(store.close());
}

#[test]
fn a_standby_is_read_and_not_written() {
    let world = World::new();
    world.runtime.block_on(world.open().unwrap().close());
    world.cluster.run("postgres", "ALTER DATABASE trust SET default_transaction_read_only = on");
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::Unavailable(_)), "{error:?}");
}

#[test]
fn whom_it_does_not_let_in_is_told_at_once() {
    let world = World::new();
    for address in [
        format!("{}/nowhere", world.cluster.address()),
        world.address.replace("postgres@", "nobody@"),
    ] {
        let options = Options::Postgres(address);
        let error = world.runtime.block_on(MetaStore::open(&options)).unwrap_err();
        assert!(matches!(error, MetaError::Login(_)), "{error:?}");
    }
    let options = Options::Postgres("postgres://a:secret@[bad/trust".to_owned());
    let error = world.runtime.block_on(MetaStore::open(&options)).unwrap_err();
    assert!(matches!(error, MetaError::Address { .. }), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn replicas_that_start_together_make_one_schema_and_one_leader() {
    let world = World::new();
    let stores: Vec<MetaStore> = world.runtime.block_on(async {
        let options = Options::Postgres(world.address.clone());
        let opening: Vec<_> = (0..4)
            .map(|_| {
                let options = options.clone();
                tokio::spawn(async move { MetaStore::open(&options).await.unwrap() })
            })
            .collect();
        let mut stores = Vec::new();
        for store in opening {
            stores.push(store.await.unwrap());
        }
        stores
    });
    world.runtime.block_on(async {
        let leader = stores[0].lead(Job::Collection).await.unwrap();
        assert!(leader.is_some());
        assert!(stores[1].lead(Job::Collection).await.unwrap().is_none());
        let other = stores[1].lead(Job::Renewal).await.unwrap();
        assert!(other.is_some(), "another job is another's");
        drop(other);
        drop(leader);
        let patience = tokio::time::Instant::now() + Duration::from_secs(10);
        while stores[1].lead(Job::Collection).await.unwrap().is_none() {
            assert!(tokio::time::Instant::now() < patience, "the lock is still held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for store in stores {
            store.close().await;
        }
    });
}
