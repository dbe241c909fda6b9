//! Registries that fail, and what they serve when somebody hostile fills them: the real program
//! against a scripted registry.

mod copy;
mod honest;
mod hostile;
mod pull;
mod push;
mod scene;
mod trust;
