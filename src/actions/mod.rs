//! One file per thing a user can do; `tuf` and `oci` meet here.
