//! What people and machines get wrong: a clear error, the right exit code, nothing lost.
