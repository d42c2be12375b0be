//! Colours and the inline styles made of them.
//!
//! Mail programs drop or rewrite style sheets, so every element carries its style inline; [`SHEET`] only adds what an
//! attribute can't say: the dark scheme and the small screen. There is one accent colour. No pure black or white:
//! programs that invert colours by themselves (Gmail, Outlook) keep the differences between these shades.
//!
//! The class of an element names its role in the dark scheme: `pg` page, `sh` sheet, `tx` text, `mu` muted text,
//! `ac` accent, `hl` highlight; `gr` is a heading's ground between two parts of the sheet, `in` the inner margin that
//! shrinks on a small screen.

macro_rules! light {
    (page) => {
        "#f2f1ed"
    };
    (sheet) => {
        "#fdfdfb"
    };
    (text) => {
        "#24282d"
    };
    (muted) => {
        "#5d646c"
    };
    (accent) => {
        "#14567f"
    };
    (highlight) => {
        "#fcf0c2"
    };
    (rule) => {
        "#e4e2db"
    };
}

macro_rules! dark {
    (page) => {
        "#16181b"
    };
    (sheet) => {
        "#1f2226"
    };
    (text) => {
        "#e2e4e7"
    };
    (muted) => {
        "#a0a7af"
    };
    (accent) => {
        "#86c3ea"
    };
    (highlight) => {
        "#4f431a"
    };
    (rule) => {
        "#363a40"
    };
}

macro_rules! serif {
    () => {
        "Charter,'Iowan Old Style',Georgia,serif"
    };
}

macro_rules! sans {
    () => {
        "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
    };
}

/// What attributes can't say: the dark scheme and the small screen.
pub const SHEET: &str = concat!(
    ":root{color-scheme:light dark;supported-color-schemes:light dark}\n",
    "@media (max-width:480px){.in{padding-left:20px!important;padding-right:20px!important}",
    ".pg{padding-left:0!important;padding-right:0!important}}\n",
    "@media (prefers-color-scheme:dark){",
    ".pg,.gr{background:",
    dark!(page),
    "!important}.sh{background:",
    dark!(sheet),
    "!important}.in{border-color:",
    dark!(rule),
    "!important}.tx{color:",
    dark!(text),
    "!important}.mu{color:",
    dark!(muted),
    "!important}.ac{color:",
    dark!(accent),
    "!important}.hl{background:",
    dark!(highlight),
    "!important}}\n",
);

/// The body.
pub const BODY: &str = concat!("margin:0;padding:0;background:", light!(page));
/// The page around the sheet.
pub const PAGE: &str = concat!("padding:24px 12px;background:", light!(page));
/// The sheet: 600 pixels wide where there is room.
pub const SHEET_TABLE: &str =
    concat!("width:100%;max-width:600px;background:", light!(sheet), ";border-top:4px solid ", light!(accent));
/// The table below the sheet.
pub const FOOT_TABLE: &str = "width:100%;max-width:600px";
/// The cell at the head of the sheet.
pub const HEAD: &str = concat!("padding:30px 36px 26px;font:14px/1.5 ", sans!());
/// The cell of one card.
pub const CARD: &str =
    concat!("padding:24px 36px 26px;border-top:1px solid ", light!(rule), ";font:14px/1.5 ", sans!());
/// The cell of a few lines of small print.
pub const NOTE: &str =
    concat!("padding:16px 36px 18px;border-top:1px solid ", light!(rule), ";font:14px/1.5 ", sans!());
/// The cell of a section's heading.
pub const SECTION: &str = concat!("padding:28px 36px 10px;background:", light!(page), ";font:14px/1.5 ", sans!());
/// The cell below the sheet.
pub const FOOT: &str = concat!("padding:22px 36px 30px;font:13px/1.6 ", sans!());
/// The name above the heading.
pub const MASTHEAD: &str = concat!("margin:0 0 14px;color:", light!(muted));
/// The one h1.
pub const HEADING: &str = concat!("margin:0;font:bold 28px/1.2 ", serif!(), ";color:", light!(text));
/// The heading of a section or of a list.
pub const SECTION_HEADING: &str = concat!("margin:0;font:bold 16px/1.4 ", sans!(), ";color:", light!(text));
/// A paper's title.
pub const TITLE: &str = concat!("margin:0 0 6px;font:bold 20px/1.3 ", serif!(), ";color:", light!(accent));
/// A link inside a title.
pub const TITLE_LINK: &str = concat!("color:", light!(accent), ";text-decoration:none");
/// A link inside text.
pub const LINK: &str = concat!("color:", light!(accent));
/// A line of small print.
pub const SMALL: &str = concat!("margin:0;color:", light!(muted));
/// A line of small print with room above it.
pub const SMALL_APART: &str = concat!("margin:10px 0 0;color:", light!(muted));
/// A paper in one line.
pub const BRIEF: &str = concat!("margin:4px 0;color:", light!(muted));
/// Running text.
pub const TEXT: &str = concat!("margin:12px 0 0;font-size:16px;line-height:1.55;color:", light!(text));
/// A few words that stand out of small print.
pub const STRONG: &str = concat!("color:", light!(accent), ";font-weight:bold");
/// A keyword expression.
pub const QUERY: &str = concat!("color:", light!(text));
/// A matched term.
pub const HIGHLIGHT: &str = concat!("background:", light!(highlight));
/// The preheader: shown in the list of mails, not in the mail.
pub const PREHEADER: &str = "display:none;mso-hide:all;max-height:0;overflow:hidden";

#[cfg(test)]
mod tests {
    /// WCAG 2.2, relative luminance of an sRGB colour.
    fn luminance(colour: &str) -> f64 {
        let channel = |i: usize| {
            let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_stands_out_from_its_background_in_both_schemes() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9, "the formula itself");
        for (text, background) in [
            (light!(text), light!(sheet)),
            (light!(muted), light!(sheet)),
            (light!(accent), light!(sheet)),
            (light!(text), light!(page)),
            (light!(muted), light!(page)),
            (light!(accent), light!(page)),
            (light!(text), light!(highlight)),
            (light!(accent), light!(highlight)),
            (dark!(text), dark!(sheet)),
            (dark!(muted), dark!(sheet)),
            (dark!(accent), dark!(sheet)),
            (dark!(text), dark!(page)),
            (dark!(muted), dark!(page)),
            (dark!(accent), dark!(page)),
            (dark!(text), dark!(highlight)),
            (dark!(accent), dark!(highlight)),
        ] {
            let ratio = contrast(text, background);
            assert!(ratio >= 4.5, "{text} on {background}: {ratio:.2}");
        }
    }

    #[test]
    fn nothing_is_pure_black_or_white() {
        for colour in [light!(page), light!(sheet), light!(text), dark!(page), dark!(sheet), dark!(text)] {
            assert!(!["#000000", "#ffffff"].contains(&colour));
        }
    }
}
