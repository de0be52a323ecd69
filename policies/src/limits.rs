//! Limits of a rule that need no memory: how much one command may do, and when.

use argv::{Effect, Invocation, Operation, Sets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// How much one command may do for an allow rule to cover it. What the command leaves open is too much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Objects that the whole command changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Replicas that an operation sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
}

impl Limits {
    /// The keys in files.
    pub const KEYS: [&'static str; 2] = ["objects", "replicas"];

    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Limits::default()
    }

    /// Why `operation` is too much; `None` when it is not.
    pub fn excess(&self, invocation: &Invocation, operation: &Operation) -> Option<String> {
        if let Some(most) = self.objects {
            match objects(invocation) {
                Some(count) if count <= most => {}
                Some(count) => return Some(format!("it changes {count} objects; at most {most} may be")),
                None => {
                    return Some(format!(
                        "it changes an unknown number of objects; at most {most} may be"
                    ));
                }
            }
        }
        match (self.replicas, &operation.workload.replicas) {
            (None, _) | (_, Sets::Nothing) => None,
            (Some(most), Sets::To(count)) if *count <= most => None,
            (Some(most), Sets::To(count)) => Some(format!("it sets {count} replicas; at most {most} may be")),
            (Some(most), Sets::Unknown) => Some(format!(
                "it does not say how many replicas it sets; at most {most} may be"
            )),
        }
    }

    /// Whether what these let through `other` lets through too.
    pub(crate) fn within(&self, other: &Limits) -> bool {
        let within = |inner: Option<u64>, outer: Option<u64>| match (inner, outer) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(inner), Some(outer)) => inner <= outer,
        };
        within(self.objects, other.objects) && within(self.replicas, other.replicas)
    }
}

/// How many objects a command changes; `None` when one of its operations has no name.
fn objects(invocation: &Invocation) -> Option<u64> {
    let mut found = BTreeSet::new();
    for operation in invocation
        .operations
        .iter()
        .filter(|operation| operation.effect > Effect::Read)
    {
        let kind = operation.resource.as_ref().map(|resource| resource.kind.as_str());
        let scope = format!("{:?}", operation.scope);
        found.insert((kind, operation.name.as_deref()?, scope));
    }
    u64::try_from(found.len()).ok()
}

/// The days of a week, as they are named in files.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Minutes in a day.
const DAY: u16 = 24 * 60;

/// A moment of a week in UTC, given by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 is Monday, 6 is Sunday.
    pub day: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

/// Hours of days of the week, in UTC: `Mon-Fri 08:00-18:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    first_day: u8,
    last_day: u8,
    from: u16,
    to: u16,
}

impl Window {
    /// What is expected, for faults.
    pub const FORM: &'static str =
        "days and hours in UTC are expected, as in `Mon-Fri 08:00-18:00` or `Sat 00:00-24:00`";

    /// Reads the form that files have.
    pub fn read(text: &str) -> Option<Window> {
        let (days, hours) = text.split_once(' ')?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, to) = hours.split_once('-')?;
        let window = Window {
            first_day: day(first)?,
            last_day: day(last)?,
            from: minute(from)?,
            to: minute(to)?,
        };
        (window.from < window.to && window.first_day <= window.last_day).then_some(window)
    }

    /// Whether `moment` lies in it; its end does not.
    pub fn holds(&self, moment: Moment) -> bool {
        (self.first_day..=self.last_day).contains(&moment.day)
            && (self.from..self.to).contains(&moment.minute)
    }
}

fn day(text: &str) -> Option<u8> {
    DAYS.iter()
        .position(|day| *day == text)
        .and_then(|day| u8::try_from(day).ok())
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let minutes = two(minutes).filter(|minutes| *minutes < 60)?;
    let all = two(hours)?.checked_mul(60)?.checked_add(minutes)?;
    (all <= DAY).then_some(all)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
        let [from, to] = [self.from, self.to].map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60));
        write!(f, "{}-{} {from}-{to}", day(self.first_day), day(self.last_day))
    }
}

impl TryFrom<String> for Window {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Window, &'static str> {
        Window::read(&text).ok_or(Window::FORM)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written() {
        for (text, written) in [
            ("Mon-Fri 08:00-18:00", "Mon-Fri 08:00-18:00"),
            ("Sat 00:00-24:00", "Sat-Sat 00:00-24:00"),
        ] {
            assert_eq!(Window::read(text).unwrap().to_string(), written);
        }
        for bad in [
            "",
            "Mon",
            "Mon 8:00-18:00",
            "Mon 18:00-08:00",
            "Fri-Mon 08:00-18:00",
            "Mon 08:00-24:01",
            "mon 08:00-18:00",
            "Mon 08:60-18:00",
            "Mon  08:00-18:00",
            "Mon +8:00-18:00",
        ] {
            assert_eq!(Window::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_end_is_outside() {
        let window = Window::read("Mon-Fri 08:00-18:00").unwrap();
        let at = |day, hour: u16, minute: u16| {
            window.holds(Moment {
                day,
                minute: hour * 60 + minute,
            })
        };
        assert!(at(0, 8, 0) && at(4, 17, 59));
        assert!(!at(0, 7, 59) && !at(0, 18, 0) && !at(5, 12, 0) && !at(6, 12, 0));
    }
}
