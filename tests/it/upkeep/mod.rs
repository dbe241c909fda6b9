//! Repositories that age: what `trust repo doctor` says of them, what `trust repo renew` makes of
//! them, and what a real server and the real programs accept.

mod doctor;
mod hostile;
mod old;
mod renew;
