//! stub: pure (attempt, error) -> wait or stop
