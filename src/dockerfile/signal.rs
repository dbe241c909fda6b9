//! What STOPSIGNAL can say.

/// Whether a text is a signal of Linux: its name, with or without `SIG`, or a number.
pub fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i32>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_near = |offset: &str, most: u8| {
        let is_number = offset.bytes().all(|byte| byte.is_ascii_digit());
        is_number && !offset.starts_with('0') && offset.parse().is_ok_and(|far: u8| far <= most)
    };
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(offset), _) => is_near(offset, 15),
        (_, Some(offset)) => is_near(offset, 14),
        (None, None) => NAMES.contains(&name),
    }
}

const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("SIGTERM", true)]
    #[test_case("term", true)]
    #[test_case("9", true)]
    #[test_case("SIGRTMIN+15", true)]
    #[test_case("RTMAX-14", true)]
    #[test_case("0", false)]
    #[test_case("", false)]
    #[test_case("SIG", false)]
    #[test_case("SIGNOTHING", false)]
    #[test_case("RTMIN+16", false)]
    #[test_case("RTMIN+0", false)]
    #[test_case("RTMAX-15", false)]
    #[test_case("TERM+1", false)]
    fn signals(text: &str, expected: bool) {
        assert_eq!(is_signal(text), expected);
    }
}
