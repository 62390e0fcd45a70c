//! The text format of Prometheus, version 0.0.4: families of samples, each with its help and its labels.

use std::fmt::Write as _;

/// What a family's numbers are.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// They go up and down.
    Gauge,
    /// They only grow, from the start of the process on.
    Counter,
}

/// A text in the making.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// The samples of one family.
pub struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family; each has its name once in a text.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        // Writing into a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.0, name }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) -> &mut Self {
        self.text.push_str(self.name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{value}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = match value.into() {
            Number::Whole(number) => writeln!(self.text, "{close} {number}"),
            Number::Real(number) => writeln!(self.text, "{close} {number}"),
        };
        self
    }
}

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Without a fraction.
    Whole(i128),
    /// With one.
    Real(f64),
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<bool> for Number {
    fn from(is: bool) -> Self {
        Self::Whole(is.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_and_its_samples_and_nothing_breaks_out_of_a_label() {
        let mut text = Exposition::default();
        text.family("postround_a", Kind::Gauge, "Two\nlines")
            .sample(&[], true)
            .sample(&[("x", "a\"b\\c\nd"), ("y", "")], 1.5);
        text.family("postround_b_total", Kind::Counter, "Many").sample(&[], u64::MAX);
        assert_eq!(
            text.into_text(),
            "# HELP postround_a Two\\nlines\n# TYPE postround_a gauge\npostround_a 1\n\
             postround_a{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 1.5\n\
             # HELP postround_b_total Many\n# TYPE postround_b_total counter\npostround_b_total 18446744073709551615\n"
        );
    }
}
