//! Key rotations under way: what has to be known after a crash to finish or to undo them
//! (`spec/key-files.md` §7).

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crate::codec::canonical_json::Value;
use crate::crypto::{KeyId, PublicKey};
use crate::limits::MAX_ROOT_BYTES;
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE};
use crate::tuf::RoleName;

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The new keys are being stored. Nothing that they signed was sent.
    Preparing,
    /// The new keys are stored. A root that lists them may have been sent.
    Ready,
}

/// A key rotation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The role that gets other keys.
    pub role: RoleName,
    /// Version of the root that was in force when it was begun.
    pub base: u64,
    /// The keys that the next root lists for the role.
    pub new: Vec<PublicKey>,
    /// Canonical ids of those whose private half was here before: they are never removed.
    pub here_before: Vec<KeyId>,
    /// Canonical ids of the keys that are replaced.
    pub old: Vec<KeyId>,
    /// The private halves are the server's.
    pub server_managed: bool,
    /// How far it has come.
    pub stage: Stage,
}

/// The file in a repository's folder that tells of its rotation; there is none most of the time.
#[derive(Debug, Clone)]
pub struct RotationFile {
    base: Base,
    path: PathBuf,
}

impl RotationFile {
    pub(crate) fn new(base: Base, path: PathBuf) -> Self {
        Self { base, path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the record, if there is one.
    pub fn read(&self) -> Result<Option<Rotation>, StoreError> {
        let Some(file) = self.base.read(&self.path, MAX_ROOT_BYTES)? else { return Ok(None) };
        let value = Value::parse(&file.bytes).ok();
        let rotation = value.as_ref().and_then(Rotation::from_json);
        rotation.map(Some).ok_or_else(|| StoreError::BadRotation { path: self.path.clone() })
    }

    /// Writes the record, in one step.
    pub fn write(&self, rotation: &Rotation) -> Result<(), StoreError> {
        self.base.write(&self.path, &rotation.to_json().to_canonical(), PRIVATE_MODE)
    }

    /// Removes the record; one that is gone is no error.
    pub fn remove(&self) -> Result<(), StoreError> {
        if self.base.remove(&self.path)?
            && let Some(folder) = self.path.parent()
        {
            self.base.sync(folder)?;
        }
        Ok(())
    }
}

impl Rotation {
    /// Canonical ids of the new keys.
    pub fn new_ids(&self) -> Vec<KeyId> {
        self.new.iter().filter_map(|key| key.canonical_id().ok()).collect()
    }

    fn to_json(&self) -> Value {
        let ids = |ids: &[KeyId]| {
            Value::Array(ids.iter().map(|id| Value::from(id.as_str())).collect::<Vec<_>>())
        };
        let stage = match self.stage {
            Stage::Preparing => "preparing",
            Stage::Ready => "ready",
        };
        Value::object([
            ("base", Value::Int(i64::try_from(self.base).unwrap_or(i64::MAX))),
            ("format", Value::Int(FORMAT)),
            ("here_before", ids(&self.here_before)),
            ("new", Value::Array(self.new.iter().map(PublicKey::to_json).collect())),
            ("old", ids(&self.old)),
            ("role", Value::from(self.role.as_str())),
            ("server_managed", Value::Bool(self.server_managed)),
            ("stage", Value::from(stage)),
        ])
    }

    fn from_json(value: &Value) -> Option<Self> {
        let ids = |name: &str| {
            let ids = value.get(name)?.as_array()?;
            ids.iter().map(|id| KeyId::parse(id.as_str()?).ok()).collect::<Option<Vec<_>>>()
        };
        if value.get("format")?.as_int()? != FORMAT {
            return None;
        }
        let base = u64::try_from(value.get("base")?.as_int()?).ok().and_then(NonZeroU64::new)?;
        let new = value.get("new")?.as_array()?;
        let server_managed = match value.get("server_managed")? {
            Value::Bool(server_managed) => *server_managed,
            _ => return None,
        };
        let stage = match value.get("stage")?.as_str()? {
            "preparing" => Stage::Preparing,
            "ready" => Stage::Ready,
            _ => return None,
        };
        Some(Self {
            role: RoleName::parse(value.get("role")?.as_str()?).ok()?,
            base: base.get(),
            new: new.iter().map(|key| PublicKey::from_json(key).ok()).collect::<Option<_>>()?,
            here_before: ids("here_before")?,
            old: ids("old")?,
            server_managed,
            stage,
        })
    }
}

/// The version of the record's form.
const FORMAT: i64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode};
    use crate::tuf::Gun;

    fn rotation() -> Rotation {
        let key = PrivateKey::generate_ecdsa().unwrap();
        Rotation {
            role: RoleName::Targets,
            base: 3,
            new: vec![key.public_key().clone()],
            here_before: vec![key.id()],
            old: vec![KeyId::parse(&"0".repeat(64)).unwrap()],
            server_managed: false,
            stage: Stage::Ready,
        }
    }

    fn file(dir: &Path) -> RotationFile {
        TrustDir::new(dir.to_owned()).rotation(&Gun::parse("example.com/app").unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        assert_eq!(file.read().unwrap(), None);
        for (stage, server_managed) in [(Stage::Preparing, false), (Stage::Ready, true)] {
            let rotation = Rotation { stage, server_managed, ..rotation() };
            file.write(&rotation).unwrap();
            assert_eq!(file.read().unwrap(), Some(rotation));
        }
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let good = String::from_utf8(rotation().to_json().to_canonical()).unwrap();
        let bad = [
            String::new(),
            "{}".to_owned(),
            good.replace(r#""format":1"#, r#""format":2"#),
            good.replace(r#""base":3"#, r#""base":0"#),
            good.replace("targets", "nobody"),
            good.replace("ready", "done"),
            good.replace(r#""old":["0"#, r#""old":["x"#),
        ];
        for text in bad {
            assert_ne!(text, good);
            file.base.write(&file.path, text.as_bytes(), PRIVATE_MODE).unwrap();
            assert!(matches!(file.read(), Err(StoreError::BadRotation { .. })), "{text}");
        }
    }

    #[test]
    fn a_crash_leaves_the_old_record_or_the_new_one() {
        let (old, new) = (rotation(), Rotation { stage: Stage::Preparing, ..rotation() });
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let file = file(dir.path());
            file.write(&old).unwrap();
            let (written, hit) = faults::with_fault(step, Mode::Crash, || file.write(&new));
            let read = file.read().unwrap().unwrap();
            assert!(read == old || read == new, "step {step}");
            if !hit {
                written.unwrap();
                assert_eq!(read, new);
                break;
            }
        }
    }
}
