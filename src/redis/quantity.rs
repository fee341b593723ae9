//! Kubernetes quantities: `500m`, `10Gi`. They are compared by value, and written in the API server's
//! canonical form, because the operator rewrites them in that form (and a field that somebody else rewrites
//! is a conflict later).

use std::cmp::Ordering;
use std::fmt;

/// A quantity, with the spelling it was written in. Equal by value: `1000m` is `1`.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    nanos: i128,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

const NANOS: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

impl Quantity {
    /// Reads `10Gi`, `500m`, `1.5`, `2e3`; `None` for anything else, and for numbers that are too large.
    pub fn parse(text: &str) -> Option<Quantity> {
        let digits = text.find(|letter: char| !(letter.is_ascii_digit() || "+-.".contains(letter)));
        let (number, suffix) = text.split_at(digits.unwrap_or(text.len()));
        let (format, scale) = scale_of(suffix)?;
        let nanos = match scale {
            Scale::Two(power) => times(number, 1i128.checked_shl(power)?)?,
            Scale::Ten(power) if power >= 0 => times(number, 10i128.checked_pow(power.unsigned_abs())?)?,
            Scale::Ten(power) => divide_up(times(number, 1)?, 10i128.checked_pow(power.unsigned_abs())?),
        };
        Some(Quantity { text: text.to_owned(), nanos, format })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value in whole units, bytes for a size; rounded up.
    pub fn units(&self) -> i128 {
        divide_up(self.nanos, NANOS)
    }

    /// The spelling that the API server's own library would choose.
    pub fn canonical(&self) -> String {
        let whole = self.nanos % NANOS == 0;
        if self.format == Format::Binary && whole && self.units().abs() >= 1024 {
            let units = self.units();
            let fits = BINARY.iter().find(|(_, power)| units % (1i128 << power) == 0);
            return match fits {
                Some((suffix, power)) => format!("{}{suffix}", units >> power),
                None => units.to_string(),
            };
        }
        if self.nanos == 0 {
            return "0".to_owned();
        }
        let fits = |power: &i32| self.nanos % ten_to(*power) == 0;
        let (suffix, power) = DECIMAL.iter().find(|(_, power)| fits(power)).unwrap_or(&DECIMAL[9]);
        let mantissa = self.nanos / ten_to(*power);
        match (self.format, *power) {
            (Format::Exponent, 0) => mantissa.to_string(),
            (Format::Exponent, power) => format!("{mantissa}e{power}"),
            _ => format!("{mantissa}{suffix}"),
        }
    }
}

/// Ten to a power between -9 and 18, in nanos.
fn ten_to(power: i32) -> i128 {
    10i128.pow((power + 9).unsigned_abs())
}

enum Scale {
    Two(u32),
    Ten(i32),
}

fn scale_of(suffix: &str) -> Option<(Format, Scale)> {
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Some((Format::Binary, Scale::Two(*power)));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((Format::Decimal, Scale::Ten(*power)));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-9..=18).contains(&power).then_some((Format::Exponent, Scale::Ten(power)))
}

/// A decimal number times a factor, in nanos, rounded up.
fn times(number: &str, factor: i128) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let denominator = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let nanos = divide_up(mantissa.checked_mul(factor)?.checked_mul(NANOS)?, denominator);
    Some(if negative { -nanos } else { nanos })
}

fn divide_up(number: i128, by: i128) -> i128 {
    number.div_euclid(by) + i128::from(number.rem_euclid(by) != 0)
}

/// Zero.
impl Default for Quantity {
    fn default() -> Quantity {
        Quantity { text: "0".to_owned(), nanos: 0, format: Format::Decimal }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_form_is_the_api_servers() {
        for (text, canonical, units) in [
            ("1000m", "1", 1),
            ("0.5", "500m", 1),
            ("1024Mi", "1Gi", 1 << 30),
            ("1.5Gi", "1536Mi", 3 << 29),
            ("0.5Gi", "512Mi", 1 << 29),
            ("1000", "1k", 1000),
            ("1500", "1500", 1500),
            ("2000000", "2M", 2_000_000),
            ("1e3", "1e3", 1000),
            ("100Ki", "100Ki", 102_400),
            ("0.5Ki", "512", 512),
            ("1023", "1023", 1023),
            ("10Gi", "10Gi", 10 << 30),
            ("0", "0", 0),
            ("+1", "1", 1),
            ("64Mi", "64Mi", 64 << 20),
            (".5", "500m", 1),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!((quantity.canonical().as_str(), quantity.units()), (canonical, units), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "10GB", "Gi", "1 Gi", "ten", "1.2.3", "--1", "1e99", ".", "1Gi1"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn canonical_form_has_the_same_value_and_is_stable(
            number in 0u64..1_000_000_000, fraction in 0u32..1000, suffix in "(|m|k|M|G|Ki|Mi|Gi|Ti)",
        ) {
            let quantity = Quantity::parse(&format!("{number}.{fraction:03}{suffix}")).unwrap();
            let again = Quantity::parse(&quantity.canonical()).unwrap();
            prop_assert_eq!(&again, &quantity);
            prop_assert_eq!(again.canonical(), quantity.canonical());
        }
    }
}
