//! A small disk of one's own, to be filled and to be made read only. Needs root.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A mounted tmpfs, gone with its value.
#[derive(Debug)]
pub(crate) struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one of this size, such as `3m`.
    pub(crate) fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0755");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path()));
        Self { folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.path().join("filler")).unwrap();
        for size in [1 << 16, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Takes back what [`Self::fill`] wrote.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }

    /// Lets nobody write, or everybody again.
    pub(crate) fn read_only(&self, yes: bool) {
        let options = if yes { "remount,ro" } else { "remount,rw" };
        run(Command::new("mount").args(["-o", options]).arg(self.path()));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a test that panics has files open there.
        Command::new("umount").arg("-l").arg(self.folder.path()).status().ok();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
