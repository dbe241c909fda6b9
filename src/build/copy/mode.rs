//! `--chmod`: permission bits as octal digits, or as `chmod` has them in words (POSIX.1-2017,
//! "chmod", "Extended description"), the mask of new files being nothing.

use crate::build::copy::error::CopyError;

/// What becomes of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeChange {
    /// They are these.
    Bits(u32),
    /// They are changed, one after the other.
    Clauses(Vec<Clause>),
}

/// One operation on the bits of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    who: Who,
    operator: Operator,
    operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Adds,
    Removes,
    Sets,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// These bits; and if it is a folder or somebody may execute it, these too.
    Bits { always: u32, execute: u32 },
    /// What somebody may do, from the lowest of the three bits on.
    Of { shift: u32 },
}

/// The bits that a clause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    bits: u32,
    /// Whether it is said of whom.
    is_said: bool,
}

impl ModeChange {
    /// Reads octal digits up to 7777, or clauses with commas between.
    pub fn parse(text: &str) -> Result<Self, CopyError> {
        let wrong = || CopyError::Mode { mode: text.to_owned() };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777);
            return bits.map(Self::Bits).ok_or_else(wrong);
        }
        let mut clauses = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut clauses).ok_or_else(wrong)?;
        }
        Ok(Self::Clauses(clauses))
    }

    /// The bits that something gets which has these.
    pub fn applied(&self, mode: u32, is_folder: bool) -> u32 {
        let clauses = match self {
            Self::Bits(bits) => return *bits,
            Self::Clauses(clauses) => clauses,
        };
        let executes = is_folder || mode & 0o111 != 0;
        clauses.iter().fold(mode & 0o7777, |mode, clause| clause.applied(mode, executes))
    }

    /// The bits of a folder that has to be made on the way, whose name nobody copied.
    pub fn of_new_folder(&self) -> u32 {
        match self {
            Self::Bits(bits) => bits & 0o777,
            Self::Clauses(_) => 0o755,
        }
    }
}

impl Clause {
    fn applied(self, mode: u32, executes: bool) -> u32 {
        let wanted = match self.operand {
            Operand::Bits { always, execute } => always | if executes { execute } else { 0 },
            Operand::Of { shift } => {
                let bits = mode >> shift & 0o7;
                bits << 6 | bits << 3 | bits
            }
        };
        let wanted = wanted & self.who.bits;
        match self.operator {
            Operator::Adds => mode | wanted,
            Operator::Removes => mode & !wanted,
            // The sticky bit is nobody's, and stays unless all are meant.
            Operator::Sets if self.who.is_said => mode & !(self.who.bits & !STICKY) | wanted,
            Operator::Sets => mode & STICKY | wanted,
        }
    }
}

fn parse_clause(text: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let operators = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at_checked(operators)?;
    let mut bits = 0;
    for who in who.chars() {
        bits |= match who {
            'u' => USER,
            'g' => GROUP,
            'o' => OTHERS,
            'a' => USER | GROUP | OTHERS,
            _ => return None,
        };
    }
    let is_said = bits != 0;
    let mut who = Who { bits: if is_said { bits } else { USER | GROUP | OTHERS }, is_said };
    // The sticky bit can be given to all but to others alone.
    if who.bits & !OTHERS != 0 {
        who.bits |= STICKY;
    }
    while let Some(operator) = rest.chars().next() {
        let operator = match operator {
            '+' => Operator::Adds,
            '-' => Operator::Removes,
            '=' => Operator::Sets,
            _ => return None,
        };
        rest = rest.get(1..)?;
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (operand, after) = rest.split_at_checked(end)?;
        let operand = parse_operand(operand)?;
        clauses.push(Clause { who, operator, operand });
        rest = after;
    }
    Some(())
}

fn parse_operand(text: &str) -> Option<Operand> {
    match text {
        "u" => return Some(Operand::Of { shift: 6 }),
        "g" => return Some(Operand::Of { shift: 3 }),
        "o" => return Some(Operand::Of { shift: 0 }),
        _ => {}
    }
    let (mut always, mut execute) = (0, 0);
    for permission in text.chars() {
        match permission {
            'r' => always |= 0o444,
            'w' => always |= 0o222,
            'x' => always |= 0o111,
            'X' => execute = 0o111,
            's' => always |= 0o6000,
            't' => always |= STICKY,
            _ => return None,
        }
    }
    Some(Operand::Bits { always, execute })
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o007;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("755", 0o600, 0o755)]
    #[test_case("4755", 0o600, 0o4755)]
    #[test_case("0", 0o600, 0)]
    #[test_case("u+x", 0o644, 0o744)]
    #[test_case("+x", 0o644, 0o755)]
    #[test_case("a-w", 0o666, 0o444)]
    #[test_case("go=", 0o777, 0o700)]
    #[test_case("u=rw,go=r", 0o777, 0o644)]
    #[test_case("u=rwX,go=rX", 0o600, 0o644 ; "nobody executes it")]
    #[test_case("u=rwX,go=rX", 0o700, 0o755 ; "its owner executes it")]
    #[test_case("g=u", 0o750, 0o770)]
    #[test_case("o=g-w", 0o770, 0o775)]
    #[test_case("u+s,g+s", 0o755, 0o6755)]
    #[test_case("+t", 0o755, 0o1755)]
    #[test_case("o+t", 0o755, 0o755 ; "others have no sticky bit")]
    #[test_case("=r", 0o7777, 0o1444)]
    #[test_case("u=rwx", 0o4644, 0o744 ; "what is set is set as a whole")]
    #[test_case("a+r-x", 0o311, 0o644)]
    fn modes(text: &str, before: u32, expected: u32) {
        let change = ModeChange::parse(text).unwrap();
        assert_eq!(change.applied(before, false), expected, "{:o}", change.applied(before, false));
    }

    #[test]
    fn folders_are_executed() {
        assert_eq!(ModeChange::parse("a=rX").unwrap().applied(0o700, true), 0o555);
        assert_eq!(ModeChange::parse("a=rX").unwrap().applied(0o600, true), 0o555);
        assert_eq!(ModeChange::parse("4750").unwrap().of_new_folder(), 0o750);
        assert_eq!(ModeChange::parse("u+x").unwrap().of_new_folder(), 0o755);
    }

    #[test_case("")]
    #[test_case("8")]
    #[test_case("10000")]
    #[test_case("u")]
    #[test_case("x+r")]
    #[test_case("u+q")]
    #[test_case("u+rg")]
    #[test_case("u+x,")]
    #[test_case("-1")]
    #[test_case("0o755")]
    fn no_modes(text: &str) {
        let error = ModeChange::parse(text).unwrap_err();
        assert!(matches!(error, CopyError::Mode { .. }), "{error:?}");
    }
}
