//! SQLite whose file was cut, lost, swapped, locked, or has no room; and what is said then.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use trust::server::meta::{MetaError, MetaStore, Options};

use super::tmpfs::Tmpfs;

/// A database in a folder of its own.
struct World {
    runtime: Runtime,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        Self { runtime, folder: tempfile::tempdir().unwrap() }
    }

    /// One that was opened, written to and closed.
    fn used() -> Self {
        let world = Self::new();
        let store = world.open().unwrap();
        world.count(&store, 20).unwrap();
        world.close(&store);
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("trust.db")
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("trust.db-lock")
    }

    fn open(&self) -> Result<MetaStore, MetaError> {
        self.open_at(&self.path())
    }

    fn open_at(&self, path: &Path) -> Result<MetaStore, MetaError> {
        self.runtime.block_on(MetaStore::open(&Options::Sqlite(path.to_owned())))
    }

    fn close(&self, store: &MetaStore) {
        self.runtime.block_on(store.close());
    }

    /// Takes numbers, each in a transaction of its own, and returns the last.
    fn count(&self, store: &MetaStore, times: usize) -> Result<i64, MetaError> {
        self.runtime.block_on(async {
            let mut last = 0;
            for _ in 0..times {
                let mut writing = store.write().await?;
                last = writing.next_number("feed").await?;
                writing.commit().await?;
            }
            Ok(last)
        })
    }
}

#[test]
fn a_cut_file_is_refused() {
    let size = fs::metadata(World::used().path()).unwrap().len();
    for keep in [50, 100, 4096, size / 2, size - 4096, size - 1] {
        let world = World::used();
        let whole = fs::read(world.path()).unwrap();
        fs::write(world.path(), &whole[..usize::try_from(keep).unwrap()]).unwrap();
        let error = world.open().unwrap_err();
        assert!(matches!(error, MetaError::Cut { .. }), "{keep} of {size} bytes: {error:?}");
        // Nothing was written: what is left can still be looked at.
        assert_eq!(fs::metadata(world.path()).unwrap().len(), keep);
        fs::write(world.path(), whole).unwrap();
        let store = world.open().unwrap();
        assert_eq!(world.count(&store, 1).unwrap(), 21);
        world.close(&store);
    }
}

#[test]
fn an_empty_or_missing_file_is_no_fresh_start() {
    let world = World::used();
    fs::write(world.path(), "").unwrap();
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::Gone { .. }), "{error:?}");
    fs::remove_file(world.path()).unwrap();
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::Gone { .. }), "{error:?}");
    assert!(!world.path().exists());
    // Whoever means it says so by removing the lock.
    fs::remove_file(world.lock()).unwrap();
    let store = world.open().unwrap();
    assert_eq!(world.count(&store, 1).unwrap(), 1);
    world.close(&store);
}

#[test]
fn a_first_start_that_was_killed_is_begun_again() {
    let world = World::new();
    fs::write(world.path(), "").unwrap();
    let store = world.open().unwrap();
    world.close(&store);
}

#[test]
fn something_else_is_not_a_database() {
    let world = World::new();
    fs::write(world.path(), "version: 0.1\nhttp:\n".repeat(100)).unwrap();
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::NotADatabase { .. }), "{error:?}");
}

#[test]
fn a_flipped_page_is_refused() {
    let world = World::used();
    let mut bytes = fs::read(world.path()).unwrap();
    for byte in &mut bytes[4096 * 3..4096 * 4] {
        *byte ^= 0x55;
    }
    fs::write(world.path(), bytes).unwrap();
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::Damaged(_) | MetaError::Unsound { .. }), "{error:?}");
}

#[test]
fn the_first_schema_is_brought_up_to_date_and_keeps_what_it_has() {
    let world = World::used();
    sqlite(&world.path(), "DROP INDEX server_key_by_id; UPDATE schema_version SET version = 1");
    let store = world.open().unwrap();
    assert_eq!(world.count(&store, 1).unwrap(), 21);
    world.close(&store);
    // It is there again, or this fails; and it is made once.
    sqlite(&world.path(), "DROP INDEX server_key_by_id");
    let store = world.open().unwrap();
    world.close(&store);
    sqlite(&world.path(), "CREATE INDEX server_key_by_id ON server_key (key_id)");
}

#[test]
fn a_newer_schema_is_refused() {
    let world = World::used();
    let statement = "UPDATE schema_version SET version = 999";
    sqlite(&world.path(), statement);
    let error = world.open().unwrap_err();
    assert!(matches!(error, MetaError::TooNew { found: 999, .. }), "{error:?}");
}

#[test]
fn a_database_that_was_given_up_without_being_closed_opens_again() {
    let world = World::new();
    let store = world.open().unwrap();
    assert_eq!(world.count(&store, 7).unwrap(), 7);
    let log = world.folder.path().join("trust.db-wal");
    assert!(log.exists());
    drop(store);
    // Connections end on threads of their own, and the last one takes the log with it.
    let deadline = Instant::now() + Duration::from_mins(1);
    while log.exists() {
        assert!(Instant::now() < deadline, "the connections do not end");
        thread::sleep(Duration::from_millis(5));
    }
    let store = world.open().unwrap();
    assert_eq!(world.count(&store, 1).unwrap(), 8);
    world.close(&store);
}

#[test]
fn a_crash_loses_nothing_and_a_lost_log_is_noticed() {
    let world = World::new();
    let store = world.open().unwrap();
    assert_eq!(world.count(&store, 7).unwrap(), 7);
    // What a power cut would leave.
    let copies = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for copy in &copies {
        for name in ["trust.db", "trust.db-wal", "trust.db-lock"] {
            fs::copy(world.folder.path().join(name), copy.path().join(name)).unwrap();
        }
    }
    world.close(&store);

    let path = copies[0].path().join("trust.db");
    let store = world.open_at(&path).unwrap();
    assert_eq!(world.count(&store, 1).unwrap(), 8);
    world.close(&store);

    let path = copies[1].path().join("trust.db");
    fs::remove_file(copies[1].path().join("trust.db-wal")).unwrap();
    let error = world.open_at(&path).unwrap_err();
    assert!(matches!(error, MetaError::LogGone { .. }), "{error:?}");
    // Whoever put a backup there says so by removing the lock.
    fs::remove_file(copies[1].path().join("trust.db-lock")).unwrap();
    world.open_at(&path).map(|store| world.close(&store)).ok();
}

#[test]
fn one_process_at_a_time() {
    let world = World::new();
    let store = world.open().unwrap();
    let error = world.open().unwrap_err();
    let us = Some(std::process::id());
    assert!(matches!(error, MetaError::InUse { process, .. } if process == us), "{error:?}");
    world.close(&store);
    let store = world.open().unwrap();
    world.close(&store);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let disk = Tmpfs::new("1m");
    let world = World::new();
    let path = disk.path().join("trust.db");
    let store = world.open_at(&path).unwrap();
    world.close(&store);
    disk.read_only(true);
    let error = world.open_at(&path).unwrap_err();
    assert!(matches!(error, MetaError::Disk { .. }), "{error:?}");
    disk.read_only(false);
    let store = world.open_at(&path).unwrap();
    world.close(&store);
    let error = world.open_at(Path::new("/nowhere/trust.db")).unwrap_err();
    assert!(matches!(error, MetaError::Disk { .. }), "{error:?}");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_by_it() {
    let disk = Tmpfs::new("2m");
    let world = World::new();
    let path = disk.path().join("trust.db");
    let store = world.open_at(&path).unwrap();
    let before = world.count(&store, 3).unwrap();
    disk.fill();
    let mut acknowledged = before;
    let error = loop {
        match world.count(&store, 1) {
            Ok(number) => acknowledged = number,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, MetaError::Full(_)), "{error:?}");
    // Readers do not mind.
    world.runtime.block_on(store.ping()).unwrap();
    disk.make_room();
    assert_eq!(world.count(&store, 1).unwrap(), acknowledged + 1);
    assert_eq!(world.runtime.block_on(store.check()).unwrap(), [""; 0]);
    world.close(&store);
    let store = world.open_at(&path).unwrap();
    assert_eq!(world.count(&store, 1).unwrap(), acknowledged + 2);
    world.close(&store);
}

/// Runs a statement on a database that nobody has open.
fn sqlite(path: &Path, statement: &str) {
    use sqlx::Connection;
    let runtime = Runtime::new().unwrap();
    let address = format!("sqlite://{}", path.display());
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&address).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
