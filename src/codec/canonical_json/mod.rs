//! The JSON of trust metadata: a strict reader and the two forms notary writes.
//!
//! * canonical: the bytes that are signed and that key ids are made of;
//! * wire: the bytes that are stored, sent and hashed. The two differ only in how five characters
//!   inside strings are written.
//!
//! The reader is stricter than JSON: a document that two readers could understand differently
//! (duplicate members, numbers that are not whole, lone surrogates) is refused, for signatures
//! cover the meaning as re-written, not the bytes as received.

mod object;
mod reader;
mod value;
mod writer;

pub use object::{Members, Object};
pub use reader::{JsonError, JsonProblem};
pub use value::Value;
