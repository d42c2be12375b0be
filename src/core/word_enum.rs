//! Enums whose variants are words: of the database, the log, metrics and JSON.

/// Declares such an enum. Each variant is its name in lower case, where `strum` and `serde` say nothing else of it. A word
/// that names none can't be parsed, and is never a default.
macro_rules! word_enum {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$each:meta])* $variant:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[derive(strum::Display, strum::EnumString, strum::IntoStaticStr)]
        #[serde(rename_all = "lowercase")]
        #[strum(serialize_all = "lowercase")]
        pub enum $name { $($(#[$each])* $variant,)+ }

        impl $name {
            /// Every one, in the order in which they are declared.
            pub const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    };
}

pub(crate) use word_enum;
