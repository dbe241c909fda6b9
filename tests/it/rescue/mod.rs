//! What is kept of trust servers that go away, whatever they do meanwhile.

mod answers;
mod faults;
mod folders;
mod hostile;
mod peers;
mod scene;
