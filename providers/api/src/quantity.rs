//! Sizes and times in the habit of Kubernetes: `20Gi`, `30d`, `5m`.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that is no quantity or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct QuantityError {
    value: String,
    expected: &'static str,
}

/// A number of bytes, written `20Gi`, `500Mi`, `1Ti` (powers of 1,024) or `20G` (powers of 1,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(u64);

const UNITS: [(&str, u64); 9] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

impl Bytes {
    /// That many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many gibibytes.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of gibibytes, rounded up.
    pub const fn as_gib(self) -> u64 {
        self.0.div_ceil(1 << 30)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError {
            value: text.to_owned(),
            expected: "a size such as 20Gi or 500Mi",
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        let number: u64 = number.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS[..4]
            .iter()
            .rev()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .copied()
            .unwrap_or(("", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// A span of time, written `90s`, `5m`, `12h`, `30d`, `2w`, or several of them from large to small: `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

const TIMES: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Span {
    /// That span; what is finer than a millisecond is dropped.
    pub const fn new(duration: Duration) -> Self {
        Self(Duration::from_millis(duration.as_millis() as u64))
    }

    /// As a [`Duration`].
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError {
            value: text.to_owned(),
            expected: "a span of time such as 30d, 12h, 5m or 1h30m",
        };
        let (mut rest, mut total, mut from) = (text, 0u64, 0);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let letters = rest[digits..]
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len() - digits);
            let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
            let at = TIMES
                .iter()
                .position(|(name, _)| *name == unit)
                .filter(|at| *at >= from)
                .ok_or_else(bad)?;
            let number: u64 = number.parse().map_err(|_| bad())?;
            total = number
                .checked_mul(TIMES[at].1)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(bad)?;
            (rest, from) = (&rest[digits + letters..], at + 1);
        }
        if text.is_empty() {
            Err(bad())
        } else {
            Ok(Self(Duration::from_millis(total)))
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in &TIMES[1..] {
            if rest >= *length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

macro_rules! as_text {
    ($type:ident, $name:literal, $pattern:literal, $description:literal) => {
        impl TryFrom<String> for $type {
            type Error = QuantityError;

            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "pattern": $pattern, "maxLength": 32, "description": $description,
                })
            }
        }
    };
}

as_text!(
    Bytes,
    "Bytes",
    "^[0-9]{1,12}(Ki|Mi|Gi|Ti|k|M|G|T)?$",
    "A size, such as 20Gi."
);
as_text!(
    Span,
    "Span",
    "^([0-9]{1,9}(w|d|h|ms|m|s))+$",
    "A span of time, such as 30d or 5m."
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_kubernetes_people_write() {
        assert_eq!("20Gi".parse(), Ok(Bytes::gib(20)));
        assert_eq!("1500M".parse(), Ok(Bytes::new(1_500_000_000)));
        assert_eq!(
            "30d".parse::<Span>().map(Span::get),
            Ok(Duration::from_secs(30 * 86_400))
        );
        assert_eq!("1h30m".parse::<Span>().map(Span::get), Ok(Duration::from_secs(5_400)));
        assert_eq!("250ms".parse::<Span>().map(Span::get), Ok(Duration::from_millis(250)));
        for bad in ["", "lots", "Gi", "-1Gi", "1.5Gi", "20gi", "99999999999999Ti"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        for bad in ["", "5", "m", "5x", "30m1h", "5m5m"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in 0u64.., millis in 0u64..1 << 50) {
            prop_assert_eq!(Bytes::new(bytes).to_string().parse(), Ok(Bytes::new(bytes)));
            let span = Span::new(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
