//! `trust audit` and `trust repo export`: a made-up tree of all kinds of files with golden reports,
//! real servers, and the programs that read what is exported.

mod export;
mod live;
mod tree;
