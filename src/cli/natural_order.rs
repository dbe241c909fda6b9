//! The order of names with numbers in them, as people read them: `v2` before `v10`.

use std::cmp::Ordering;

/// Compares as docker's listings do.
///
/// Runs of ASCII digits compare as numbers, the one with fewer leading zeros first if they are
/// equal; all else compares byte by byte; where one has a digit and the other has none, the digit
/// is first.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        let order = match (x.is_ascii_digit(), y.is_ascii_digit()) {
            (true, true) => {
                let number = take_number(&mut left);
                compare_numbers(number, take_number(&mut right))
            }
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                (left, right) = (left.get(1..).unwrap_or(&[]), right.get(1..).unwrap_or(&[]));
                x.cmp(&y)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Takes the digits off the front.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).unwrap_or((text, &[]));
    *text = rest;
    number
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let zeros = |number: &[u8]| number.iter().take_while(|byte| **byte == b'0').count();
    let (zeros_a, zeros_b) = (zeros(a), zeros(b));
    let (digits_a, digits_b) = (a.get(zeros_a..), b.get(zeros_b..));
    let length = |digits: Option<&[u8]>| digits.map(<[u8]>::len);
    length(digits_a)
        .cmp(&length(digits_b))
        .then_with(|| digits_a.cmp(&digits_b))
        .then_with(|| zeros_a.cmp(&zeros_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_people_count() {
        let sorted = [
            "0", "00", "1", "2", "02", "10", "1000", "a", "a0", "a1", "a1b", "a1c", "a01", "a2",
            "a10", "aa", "latest", "v1.2.3", "v1.2.10", "v1.10.0", "v2", "é",
        ];
        for (index, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), index.cmp(&other), "{a} and {b}");
            }
        }
    }

    #[test]
    fn numbers_of_any_length_compare() {
        let nines = "9".repeat(10_000);
        assert_eq!(natural_order(&nines, &format!("1{nines}")), Ordering::Less);
    }
}
