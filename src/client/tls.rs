//! stub: rustls configuration
