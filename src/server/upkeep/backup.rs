//! What cannot be made again, in one file: the database, and on demand the small files of the
//! server with its secrets (`spec/server-keys.md` §6). The same file goes back into either kind of
//! database.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::codec::text::from_base64;
use crate::crypto::sealed::{Opener, SealedError, Sealer};
use crate::crypto::{Passphrase, Sha256Hash};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_SERVER_BACKUP_ENTRY_BYTES, MAX_SERVER_FILES};
use crate::oci::Digest;
use crate::oci::archive::{ArchiveError, ArchiveReader, ArchiveWriter, Entry, EntryPath};
use crate::oci::digest::Hasher;
use crate::server::files::{self, FileError, NewFile};
use crate::server::meta::dump::{Table, parse_row, schema_version, tables};
use crate::server::meta::{MetaError, MetaStore, Options};

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// When it was made.
    pub made: Timestamp,
    /// How many rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// The small files, by their paths.
    pub files: Vec<String>,
    /// How many files of content.
    pub content: u64,
}

/// What goes into a backup besides the database.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// The small files of the server.
    pub small: Vec<SmallFile>,
    /// The folder of the content, if that is to be in it.
    pub content: Option<PathBuf>,
}

/// A small file of the server, such as its master key.
#[derive(Debug, Clone)]
pub struct SmallFile {
    /// Its path from the server's folder, with slashes.
    pub path: String,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Why there is no backup, or why it is not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database does not do as it is told.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// A file cannot be read or made.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The backup cannot be written.
    #[error("cannot write the backup")]
    Write(#[source] io::Error),
    /// The backup cannot be opened.
    #[error("cannot open the backup")]
    Sealed(#[source] SealedError),
    /// The backup cannot be read.
    #[error("cannot read the backup")]
    Read(#[source] io::Error),
    /// It was opened, and what is in it is no archive.
    #[error("the backup is malformed")]
    Archive(#[source] ArchiveError),
    /// It is no backup of a server, or not a whole one.
    #[error("it is no backup of a server: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The database had another schema than this program's.
    #[error("the backup has schema {found}, and this program knows {known}")]
    Schema {
        /// The schema it has.
        found: i64,
        /// The schema known here.
        known: i64,
    },
    /// Something in it is not what its hash says.
    #[error("the backup holds a wrong {what}")]
    Wrong {
        /// What it is.
        what: String,
    },
    /// There is something where it should go.
    #[error("there is a server's data already: {what}")]
    NotEmpty {
        /// What there is.
        what: String,
    },
    /// More small files than a server has.
    #[error("there are more than {MAX_SERVER_FILES} small files")]
    TooManyFiles,
}

/// Reads the small files of a server's folder: all but the database, the content, and what is
/// temporary.
pub fn small_files(folder: &Path) -> Result<Vec<SmallFile>, BackupError> {
    let leave_out = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        NOT_SMALL.contains(&path) || path.starts_with("trust.db") || name.starts_with(".trust-tmp-")
    };
    let paths = files::list(folder, SMALL_FILES_DEPTH, &leave_out)?;
    if paths.len() > MAX_SERVER_FILES {
        return Err(BackupError::TooManyFiles);
    }
    let read = |path: String| {
        let mut bytes = Zeroizing::new(Vec::new());
        let full = folder.join(&path);
        let file = files::open(&full)?;
        file.take(MAX_KEY_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(BackupError::Read)?;
        if bytes.len() as u64 > MAX_KEY_FILE_BYTES {
            return Err(FileError::TooLarge { path: full, limit: MAX_KEY_FILE_BYTES }.into());
        }
        Ok(SmallFile { path, bytes })
    };
    paths.into_iter().map(read).collect()
}

/// Writes a backup of one instant into a new file of mode 0600, sealed under a passphrase.
///
/// Content never changes once it is there, so it is read after the database: what the database
/// names is there, unless it was garbage at once.
pub async fn backup(
    meta: &MetaStore,
    made: Timestamp,
    extras: Extras,
    passphrase: &Passphrase,
    output: &Path,
) -> Result<Contents, BackupError> {
    let passphrase = passphrase.clone();
    let new = NewFile::begin(output)?;
    let tables = tables();
    let columns: serde_json::Map<String, Value> = tables
        .iter()
        .map(|table| {
            let names = table.columns.iter().map(|column| column.name.as_str());
            (table.name.clone(), names.collect::<Vec<_>>().into())
        })
        .collect();
    let head = json!({
        "format": FORMAT, "version": VERSION, "made": written(made), "schema": schema_version(),
        "tables": columns,
    });
    let mut writer = Writer::begin(new, passphrase).await?;
    writer = writer.add(HEAD.to_owned(), pretty(&head)).await?;
    let mut contents = Contents { made, rows: BTreeMap::new(), files: Vec::new(), content: 0 };
    let mut reading = meta.read().await?;
    reading.take_your_time(meta.dialect()).await?;
    for table in &tables {
        let rows = contents.rows.entry(table.name.clone()).or_default();
        let (mut part, mut at_work) = (0_u32, Some(writer));
        reading
            .dump::<BackupError>(table, async |lines, count| {
                *rows += count;
                part += 1;
                let path = format!("{TABLES}{}/{part:08}.jsonl", table.name);
                if let Some(writer) = at_work.take() {
                    at_work = Some(writer.add(path, lines).await?);
                }
                Ok(())
            })
            .await?;
        writer = at_work.ok_or(BackupError::Malformed { problem: "it was given up" })?;
    }
    drop(reading);
    for file in extras.small {
        writer = writer.add(format!("{FILES}{}", file.path), file.bytes.to_vec()).await?;
        contents.files.push(file.path);
    }
    if let Some(folder) = extras.content {
        for path in content_of(&folder)? {
            let (back, was_there) = writer.add_content(path, folder.clone()).await?;
            writer = back;
            contents.content += u64::from(was_there);
        }
    }
    writer.finish().await?;
    Ok(contents)
}

/// Checks all of a backup, and tells what is in it.
pub async fn check(path: &Path, passphrase: &Passphrase) -> Result<Contents, BackupError> {
    let (path, passphrase) = (path.to_owned(), passphrase.clone());
    run(move || {
        let mut checked = Checked::new();
        let mut content = 0;
        let mut pass_over = |_: &str, _: &mut dyn Read| {
            content += 1;
            Ok(())
        };
        read(&path, &passphrase, &mut pass_over, &mut |part| checked.take(&part))?;
        checked.finish(content)
    })
    .await
}

/// Puts a backup into a database in which nothing was ever stored, and its small files into a
/// folder: all of it, or nothing. Everything is checked before anything is written.
pub async fn restore(
    database: &Options,
    path: &Path,
    passphrase: &Passphrase,
    folder: &Path,
) -> Result<Contents, BackupError> {
    let contents = check(path, passphrase).await?;
    files::make_folder(folder)?;
    let meta = MetaStore::open(database).await?;
    let restored = restore_checked(&meta, &contents, path, passphrase, folder).await;
    meta.close().await;
    restored.map(|()| contents)
}

async fn restore_checked(
    meta: &MetaStore,
    contents: &Contents,
    path: &Path,
    passphrase: &Passphrase,
    folder: &Path,
) -> Result<(), BackupError> {
    if !meta.read().await?.is_empty().await? {
        return Err(BackupError::NotEmpty { what: "the database".to_owned() });
    }
    for file in &contents.files {
        let target = folder.join(file);
        if files::exists(&target) {
            return Err(BackupError::NotEmpty { what: target.display().to_string() });
        }
    }
    let content = folder.join(CONTENT_FOLDER);
    if contents.content > 0 && files::exists(&content) && !content_of(&content)?.is_empty() {
        return Err(BackupError::NotEmpty { what: content.display().to_string() });
    }
    let made = Made::default();
    let all_made = Arc::clone(&made.0);
    let mut writing = meta.write().await?;
    writing.take_your_time().await?;
    writing.clear_seeds().await?;
    let (sender, mut parts) = mpsc::channel(2);
    let (path, passphrase) = (path.to_owned(), passphrase.clone());
    let reader = tokio::task::spawn_blocking(move || {
        let mut keep = |path: &str, bytes: &mut dyn Read| {
            create_content(&content.join(path), bytes, &all_made)
        };
        read(&path, &passphrase, &mut keep, &mut |part| {
            let gone = BackupError::Malformed { problem: "it was given up" };
            sender.blocking_send(part).map_err(|_| gone)
        })
    });
    let tables = tables();
    while let Some(part) = parts.recv().await {
        match part {
            Part::Head(_) => {}
            Part::Rows { table, lines } => {
                let table = tables.iter().find(|known| known.name == table);
                writing.fill(table.ok_or(UNKNOWN_TABLE)?, &lines).await?;
            }
            Part::File(file) => made.create(folder, file).await?,
        }
    }
    reader.await.map_err(|error| BackupError::Read(io::Error::other(error)))??;
    writing.go_on_numbering().await?;
    writing.commit().await?;
    made.keep();
    Ok(())
}

fn create_content(
    path: &Path,
    bytes: &mut dyn Read,
    made: &Mutex<Vec<PathBuf>>,
) -> Result<(), BackupError> {
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    let mut new = NewFile::begin(path)?;
    io::copy(bytes, &mut new).map_err(not_read)?;
    new.finish()?;
    made.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    Ok(())
}

/// Files that were made, and go again if that was for nothing.
#[derive(Default)]
struct Made(Arc<Mutex<Vec<PathBuf>>>);

impl Made {
    async fn create(&self, folder: &Path, file: SmallFile) -> Result<(), BackupError> {
        let path = folder.join(&file.path);
        let target = path.clone();
        run(move || {
            if let Some(folder) = target.parent() {
                files::make_folder(folder)?;
            }
            Ok(files::create_secret(&target, &file.bytes)?)
        })
        .await?;
        self.all().push(path);
        Ok(())
    }

    fn keep(self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.all().drain(..) {
            if let Err(error) = files::remove(&path) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a file of a backup that was not restored stays");
            }
        }
    }
}

/// A piece of a backup.
#[derive(Debug)]
enum Part {
    Head(Timestamp),
    Rows { table: String, lines: Vec<u8> },
    File(SmallFile),
}

/// Writes the archive on threads that may wait for the disk.
struct Writer {
    archive: ArchiveWriter<Sealer<NewFile>>,
    sums: String,
}

impl Writer {
    async fn begin(new: NewFile, passphrase: Passphrase) -> Result<Self, BackupError> {
        run(move || {
            let sealer = Sealer::new(new, &passphrase).map_err(BackupError::Write)?;
            Ok(Self { archive: ArchiveWriter::new(sealer), sums: String::new() })
        })
        .await
    }

    async fn add(self, path: String, bytes: Vec<u8>) -> Result<Self, BackupError> {
        run(move || self.append(&path, &Zeroizing::new(bytes))).await
    }

    fn append(mut self, path: &str, bytes: &[u8]) -> Result<Self, BackupError> {
        let name = EntryPath::parse(path.as_bytes()).map_err(BackupError::Archive)?;
        let entry = Entry { mode: 0o600, ..Entry::file(name, bytes.len() as u64) };
        self.archive.append_bytes(&entry, bytes).map_err(BackupError::Write)?;
        self.sums.extend([&Sha256Hash::of(bytes).to_hex(), "  ", path, "\n"]);
        Ok(self)
    }

    /// Adds a file of the content; tells whether it is still there.
    async fn add_content(
        mut self,
        path: String,
        folder: PathBuf,
    ) -> Result<(Self, bool), BackupError> {
        run(move || {
            let file = match files::open(&folder.join(&path)) {
                Ok(file) => file,
                // It was garbage.
                Err(FileError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                    return Ok((self, false));
                }
                Err(error) => return Err(error.into()),
            };
            let size = file.metadata().map_err(BackupError::Read)?.len();
            let path = format!("{CONTENT}{path}");
            let name = EntryPath::parse(path.as_bytes()).map_err(BackupError::Archive)?;
            let entry = Entry { mode: 0o600, ..Entry::file(name, size) };
            let mut bytes = Hashing { inner: file, hasher: Hasher::sha256() };
            self.archive.append(&entry, &mut bytes).map_err(BackupError::Write)?;
            self.sums.extend([bytes.hasher.finish().hex(), "  ", &path, "\n"]);
            Ok((self, true))
        })
        .await
    }

    async fn finish(self) -> Result<(), BackupError> {
        run(move || {
            let sums = self.sums.clone();
            let whole = self.append(SUMS, sums.as_bytes())?;
            let sealer = whole.archive.finish().map_err(BackupError::Write)?;
            let mut new = sealer.finish().map_err(BackupError::Write)?;
            new.flush().map_err(BackupError::Write)?;
            Ok(new.finish()?)
        })
        .await
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Reads a backup from its beginning to its end, and passes on what has the right hash. That
/// nothing is missing is known only when this returns.
fn read(
    path: &Path,
    passphrase: &Passphrase,
    content: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), BackupError>,
    take: &mut dyn FnMut(Part) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let file = BufReader::new(files::open(path)?);
    let opener = Opener::new(file, passphrase).map_err(not_read)?;
    let mut archive = ArchiveReader::new(opener);
    let mut sums = String::new();
    while let Some(entry) = archive.next_entry().map_err(not_archive)? {
        let path = entry.path.to_str().ok_or(UNKNOWN_ENTRY)?.to_owned();
        if let Some(name) = path.strip_prefix(CONTENT).filter(|name| !name.is_empty()) {
            let mut bytes = Hashing { inner: &mut archive, hasher: Hasher::sha256() };
            content(name, &mut bytes)?;
            io::copy(&mut bytes, &mut io::sink()).map_err(not_read)?;
            sums.extend([bytes.hasher.finish().hex(), "  ", &path, "\n"]);
            continue;
        }
        if entry.size > MAX_SERVER_BACKUP_ENTRY_BYTES {
            return Err(BackupError::Malformed { problem: "an entry is too large" });
        }
        let mut bytes = Zeroizing::new(Vec::new());
        archive.read_to_end(&mut bytes).map_err(not_read)?;
        if path == SUMS {
            if bytes.as_slice() != sums.as_bytes() {
                return Err(BackupError::Malformed { problem: "its list of hashes is another's" });
            }
            // After the list, nothing but the end.
            if archive.next_entry().map_err(not_archive)?.is_some() {
                return Err(UNKNOWN_ENTRY);
            }
            archive.finish().map_err(not_archive)?;
            return Ok(());
        }
        let is_first = sums.is_empty();
        sums.extend([&Sha256Hash::of(&bytes).to_hex(), "  ", &path, "\n"]);
        if (path == HEAD) != is_first {
            return Err(BackupError::Malformed { problem: "it does not begin with its head" });
        }
        take(part(&path, bytes)?)?;
    }
    Err(BackupError::Malformed { problem: "its end is missing" })
}

fn part(path: &str, mut bytes: Zeroizing<Vec<u8>>) -> Result<Part, BackupError> {
    if path == HEAD {
        return head(&bytes).map(Part::Head);
    }
    if let Some(rest) = path.strip_prefix(TABLES) {
        let (table, _) = rest.split_once('/').ok_or(UNKNOWN_ENTRY)?;
        let lines = std::mem::take(&mut *bytes);
        return Ok(Part::Rows { table: table.to_owned(), lines });
    }
    let path = path.strip_prefix(FILES).filter(|path| !path.is_empty()).ok_or(UNKNOWN_ENTRY)?;
    Ok(Part::File(SmallFile { path: path.to_owned(), bytes }))
}

fn head(bytes: &[u8]) -> Result<Timestamp, BackupError> {
    let malformed = BackupError::Malformed { problem: "its head is malformed" };
    let Ok(head) = serde_json::from_slice::<Value>(bytes) else { return Err(malformed) };
    if head.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(malformed);
    }
    if head.get("version").and_then(Value::as_i64) != Some(VERSION) {
        let problem = "it has a version that this program does not know";
        return Err(BackupError::Malformed { problem });
    }
    let (found, known) =
        (head.get("schema").and_then(Value::as_i64).unwrap_or(0), schema_version());
    if found != known {
        return Err(BackupError::Schema { found, known });
    }
    let columns = |table: &Table| {
        let names = head.get("tables").and_then(|all| all.get(&table.name));
        let names = names.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        names.iter().map(Value::as_str).eq(table.columns.iter().map(|one| Some(one.name.as_str())))
    };
    if !tables().iter().all(columns) {
        return Err(BackupError::Malformed {
            problem: "its tables are others than this program's",
        });
    }
    let made = head.get("made").and_then(Value::as_str).and_then(|text| text.parse().ok());
    made.ok_or(malformed)
}

/// What was seen of a backup so far.
struct Checked {
    tables: Vec<Table>,
    made: Option<Timestamp>,
    rows: BTreeMap<String, u64>,
    files: Vec<String>,
}

impl Checked {
    fn new() -> Self {
        Self { tables: tables(), made: None, rows: BTreeMap::new(), files: Vec::new() }
    }

    fn take(&mut self, part: &Part) -> Result<(), BackupError> {
        match part {
            Part::Head(made) => self.made = Some(*made),
            Part::File(file) => {
                if self.files.len() >= MAX_SERVER_FILES {
                    return Err(BackupError::TooManyFiles);
                }
                self.files.push(file.path.clone());
            }
            Part::Rows { table, lines } => {
                let table = self.tables.iter().find(|known| known.name == *table);
                let table = table.ok_or(UNKNOWN_TABLE)?;
                let rows = self.rows.entry(table.name.clone()).or_default();
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    check_row(table, line)?;
                    *rows += 1;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, content: u64) -> Result<Contents, BackupError> {
        for table in &self.tables {
            self.rows.entry(table.name.clone()).or_default();
        }
        let made = self.made.ok_or(BackupError::Malformed { problem: "its head is missing" })?;
        Ok(Contents { made, rows: self.rows, files: self.files, content })
    }
}

/// What has a hash in the database must have it here.
fn check_row(table: &Table, line: &[u8]) -> Result<(), BackupError> {
    let values = parse_row(table, line)?;
    let text = |name: &str| {
        let at = table.columns.iter().position(|column| column.name == name)?;
        values.get(at)?.as_str()
    };
    let (hash, what) = match table.name.as_str() {
        "trust_file" => (text("sha256").map(|hash| format!("sha256:{hash}")), "trust file"),
        "manifest" => (text("digest").map(str::to_owned), "manifest"),
        _ => return Ok(()),
    };
    let bytes = text("bytes").and_then(|bytes| from_base64(bytes).ok());
    let digest = hash.as_deref().and_then(|hash| Digest::parse(hash).ok());
    match (digest, bytes) {
        (Some(digest), Some(bytes)) if digest.matches(&bytes) => Ok(()),
        _ => Err(BackupError::Wrong { what: what.to_owned() }),
    }
}

/// The files of the content that are whole, by their paths from its folder.
fn content_of(folder: &Path) -> Result<Vec<String>, BackupError> {
    let leave_out = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        path == UPLOADS || name.starts_with(".trust-tmp-")
    };
    Ok(files::list(folder, CONTENT_DEPTH, &leave_out)?)
}

/// Runs what may wait for the disk, or computes for long.
async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let task = tokio::task::spawn_blocking(work);
    task.await.map_err(|error| BackupError::Read(io::Error::other(error)))?
}

fn not_read(error: io::Error) -> BackupError {
    let sealed = error.get_ref().and_then(|inner| inner.downcast_ref::<SealedError>());
    match sealed {
        Some(sealed) => BackupError::Sealed(sealed.clone()),
        None => BackupError::Read(error),
    }
}

fn not_archive(error: ArchiveError) -> BackupError {
    match error {
        ArchiveError::Io(cause) => not_read(cause),
        error => BackupError::Archive(error),
    }
}

fn written(made: Timestamp) -> String {
    made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What the head says that this is.
const FORMAT: &str = "trust server backup";
/// The version of the format.
const VERSION: i64 = 1;
/// The first entry.
const HEAD: &str = "backup.json";
/// Where the rows are.
const TABLES: &str = "tables/";
/// Where the small files are.
const FILES: &str = "files/";
/// Where the content is.
const CONTENT: &str = "content/";
/// The folder of the content in a server's folder.
pub const CONTENT_FOLDER: &str = "content";
/// What of the content is not whole.
const UPLOADS: &str = "uploads";
/// How deep content lies.
const CONTENT_DEPTH: usize = 6;
/// The last entry.
const SUMS: &str = "SHA256SUMS";
/// What of a server's folder is not small: its content, and what another server must not find.
const NOT_SMALL: [&str; 2] = [CONTENT_FOLDER, "lock"];
/// How deep small files lie.
const SMALL_FILES_DEPTH: usize = 3;
const UNKNOWN_ENTRY: BackupError =
    BackupError::Malformed { problem: "it has an entry that does not belong there" };
const UNKNOWN_TABLE: BackupError =
    BackupError::Malformed { problem: "it has a table that is not known" };
