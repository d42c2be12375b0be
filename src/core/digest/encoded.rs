//! A digest as the two bodies of a mail, put together from what is encoded already.
//!
//! Most of a digest are its cards, and nearly all of a card is the same in every mail that shows it on a day: what differs
//! are the words that are marked in it and the keywords that it is there for. So what there is to show of a paper is
//! rendered and encoded once ([`EncodedPaper`]), its title and abstract so that any stretch of them can be marked, and
//! copied from then on. The bodies are the same, octet for octet, whether a part was made just now or long ago, and they
//! decode to what [`render`](super::render) gives.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::NaiveDate;
use templates::{Card, Digest, Href, digest, layout, text};

use super::{
    ABSTRACT_LIMITS, Chosen, Extent, Facts, MAX_ALSO, MAX_BYTES, MAX_ENCODED, MAX_TITLE, NO_TITLE, because, brief,
    card, excerpt, filled, frame, titles, without_extras,
};
use crate::core::candidate::Candidate;
use crate::core::matching::Reasons;
use crate::core::paper::Paper;
use crate::core::quoted::{QuotedPrintable, Stretchable};

/// A digest, ready to be the body of a mail.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The subject, at most 120 characters.
    pub subject: String,
    /// The HTML alternative.
    pub html: QuotedPrintable,
    /// The plain-text alternative.
    pub text: QuotedPrintable,
    /// How much of the facts it shows.
    pub extent: Extent,
}

/// Encodes the facts into new memory: see [`encode_over`].
pub fn encode(facts: &Facts<'_>, of: impl Fn(&Candidate) -> Arc<EncodedPaper>) -> Encoded {
    encode_over(Default::default(), facts, of)
}

/// Encodes the facts, with as much of each abstract as leaves both alternatives within [`MAX_BYTES`] and [`MAX_ENCODED`].
/// For papers that [`fits`](super::fits) let through it always succeeds in that; at the last step the extras (what else is
/// trending, the state of the sources) go, the chosen papers stay. `of` has what is encoded of a paper already; `old` are
/// bodies of no use any more, which are written over: memory of their size takes a while to come and to go.
pub fn encode_over(
    old: [QuotedPrintable; 2],
    facts: &Facts<'_>,
    of: impl Fn(&Candidate) -> Arc<EncodedPaper>,
) -> Encoded {
    let frame = frame(facts);
    let (told, also) = (titles(facts), &facts.also[..facts.also.len().min(MAX_ALSO)]);
    let mut bodies = Bodies::over(old);
    bodies.head(&frame);
    let begun = bodies.len();
    for (step, limit) in ABSTRACT_LIMITS.into_iter().enumerate() {
        bodies.back_to(begun);
        bodies.sections(facts, &frame, step, &of);
        bodies.tail(&frame, [told, also], &of);
        if bodies.are_within_limits() {
            return bodies.ended(frame, Extent::Abstracts(limit));
        }
    }
    let frame = without_extras(frame);
    bodies.back_to(begun);
    bodies.sections(facts, &frame, ABSTRACT_LIMITS.len() - 1, &of);
    bodies.tail(&frame, [told, &[]], &of);
    bodies.ended(frame, Extent::NoExtras)
}

/// Both alternatives in the making.
struct Bodies {
    html: Body,
    text: Body,
}

/// One alternative.
#[derive(Default)]
struct Body {
    encoded: QuotedPrintable,
    /// What it decodes to, in bytes.
    bytes: usize,
}

/// A part of a digest in both alternatives, either of which may be empty. It begins and ends at line breaks.
#[derive(Debug)]
struct Piece {
    html: Part,
    text: Part,
}

/// An encoded part of one alternative.
#[derive(Debug)]
struct Part {
    encoded: QuotedPrintable,
    bytes: usize,
}

/// What is encoded of a paper, for all mails that show it as it was known at one time. Each part is made when it is first
/// asked for.
#[derive(Debug, Default)]
pub struct EncodedPaper {
    title: OnceLock<MarkableWords>,
    /// By step of [`ABSTRACT_LIMITS`]; `None` when there is nothing to show.
    abstracts: [OnceLock<Option<MarkableWords>>; ABSTRACT_LIMITS.len()],
    /// Authors and numbers, and all of the paper as plain text, which shows no marks; the last few that were asked for.
    facts: Mutex<VecDeque<(Look, Arc<Piece>)>>,
    links: OnceLock<Piece>,
    /// In one line, as a paper that trends.
    brief: OnceLock<Piece>,
}

/// How the facts of a paper are to look.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    /// The reader's day.
    today: NaiveDate,
    /// How its votes grew.
    trend: Option<String>,
    /// The step of [`ABSTRACT_LIMITS`].
    step: usize,
}

/// Looks of one paper that are kept: each zone's day, in the lengths that a full mail leaves room for.
const LOOKS: usize = 8;

/// MarkableWords of HTML that can be marked, between two tags.
#[derive(Debug)]
struct MarkableWords {
    before: Part,
    words: Stretchable,
    /// What the words take in HTML, in bytes.
    bytes: usize,
    /// How much of the paper's own text they are, in bytes: no mark reaches further.
    end: usize,
    after: Part,
}

impl EncodedPaper {
    fn title(&self, paper: &Paper) -> &MarkableWords {
        self.title.get_or_init(|| {
            let shown = excerpt::shown(&paper.title, excerpt::cut(&paper.title, MAX_TITLE));
            let shown = if paper.title.is_empty() { NO_TITLE } else { &shown };
            let href = Href::web(&paper.url);
            MarkableWords::new(digest::title_parts(href.as_ref()), shown, excerpt::cut(&paper.title, MAX_TITLE).0)
        })
    }

    fn abstract_text(&self, paper: &Paper, step: usize) -> Option<&MarkableWords> {
        let words = self.abstracts[step].get_or_init(|| {
            let cut = excerpt::cut(&paper.abstract_text, ABSTRACT_LIMITS[step]);
            let shown = excerpt::shown(&paper.abstract_text, cut);
            (!shown.is_empty()).then(|| MarkableWords::new(digest::abstract_parts(), &shown, cut.0))
        });
        words.as_ref()
    }

    fn facts(&self, candidate: &Candidate, today: NaiveDate, trend: Option<&str>, step: usize) -> Arc<Piece> {
        let is_it = |look: &Look| (look.today, look.trend.as_deref(), look.step) == (today, trend, step);
        if let Some((_, piece)) = self.known_facts().iter().find(|(look, _)| is_it(look)) {
            return piece.clone();
        }
        // Not under the lock: two may make the same at once, which are alike.
        let trend = trend.map(str::to_owned);
        let plain = Chosen { candidate, reasons: Reasons::default(), trend: trend.clone() };
        let card = card(&plain, today, ABSTRACT_LIMITS[step]);
        let piece = Arc::new(Piece::new(&digest::card_facts(&card), &text::card_paper(&card)));
        let mut known = self.known_facts();
        if known.len() == LOOKS {
            known.pop_front();
        }
        known.push_back((Look { today, trend, step }, piece.clone()));
        piece
    }

    fn known_facts(&self) -> MutexGuard<'_, VecDeque<(Look, Arc<Piece>)>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self, candidate: &Candidate) -> &Piece {
        self.links.get_or_init(|| {
            let plain = Chosen { candidate, reasons: Reasons::default(), trend: None };
            let card = card(&plain, NaiveDate::MIN, 0);
            Piece::new(&digest::card_links(&card), &text::card_links(&card))
        })
    }

    fn brief(&self, candidate: &Candidate) -> &Piece {
        self.brief.get_or_init(|| {
            let brief = brief(candidate);
            Piece::new(&digest::brief(&brief), &text::brief(&brief))
        })
    }
}

impl MarkableWords {
    fn new([before, after]: [String; 2], words: &str, end: usize) -> Self {
        Self {
            before: Part::new(&before),
            bytes: digest::escaped(words).len(),
            words: Stretchable::new(words, digest::escaped),
            end,
            after: Part::new(&after),
        }
    }
}

impl Piece {
    fn new(html: &str, text: &str) -> Self {
        Self { html: Part::new(html), text: Part::new(text) }
    }
}

impl Part {
    fn new(part: &str) -> Self {
        Self { encoded: QuotedPrintable::encode(part), bytes: part.len() }
    }
}

/// What is the same in every mail.
struct Same {
    /// The document up to its title, from there to what is said of it in the body, and from there to the first row.
    head: [Part; 3],
    /// What is before and after the foot.
    tail: [Part; 2],
    mark: [Part; 2],
    also: [Part; 2],
    told: [Part; 2],
    also_heading: Part,
}

impl Same {
    fn parts() -> &'static Self {
        static SAME: LazyLock<Same> = LazyLock::new(|| {
            let [begin, _, style, _, sheet] = layout::head_parts("", "");
            Same {
                head: [begin, style, sheet].map(|part| Part::new(&part)),
                tail: layout::tail_parts().map(Part::new),
                mark: digest::mark_parts().map(|part| Part::new(&part)),
                also: digest::also_parts().map(|part| Part::new(&part)),
                told: digest::told_parts().map(|part| Part::new(&part)),
                also_heading: Part::new(&text::also_heading()),
            }
        });
        &SAME
    }
}

impl Body {
    fn push(&mut self, part: &Part) {
        self.encoded.push(&part.encoded);
        self.bytes += part.bytes;
    }

    fn push_str(&mut self, part: &str) {
        self.encoded.push_str(part);
        self.bytes += part.len();
    }

    /// The words with what matched of them marked: ranges of the paper's own `text`.
    fn push_words(&mut self, words: &MarkableWords, text: &str, matched: &[Range<usize>]) {
        let [open, close] = &Same::parts().mark;
        self.push(&words.before);
        let marks = excerpt::marks(text, matched, words.end);
        let count = self.encoded.push_marked(&words.words, marks, [&open.encoded, &close.encoded]);
        self.bytes += words.bytes + count * (open.bytes + close.bytes);
        self.push(&words.after);
    }

    fn is_within_limits(&self) -> bool {
        self.bytes <= MAX_BYTES && self.encoded.len() <= MAX_ENCODED
    }
}

impl Bodies {
    /// With room for a digest of twenty papers.
    fn over([html, text]: [QuotedPrintable; 2]) -> Self {
        let body = |mut encoded: QuotedPrintable, octets| {
            encoded.truncate(0);
            encoded.reserve(octets);
            Body { encoded, bytes: 0 }
        };
        Self { html: body(html, 64 << 10), text: body(text, 32 << 10) }
    }

    fn push(&mut self, piece: &Piece) {
        self.html.push(&piece.html);
        self.text.push(&piece.text);
    }

    /// Everything above the first section.
    fn head(&mut self, frame: &Digest) {
        let [_, named, _, opened, _] = layout::head_parts(&frame.subject, &frame.preheader);
        let [begin, style, sheet] = &Same::parts().head;
        self.html.push(begin);
        self.html.push_str(&named);
        self.html.push(style);
        self.html.push_str(&opened);
        self.html.push(sheet);
        self.html.push_str(&digest::head_rows(frame));
        self.text.push_str(&text::head(frame));
    }

    fn sections(
        &mut self,
        facts: &Facts<'_>,
        frame: &Digest,
        step: usize,
        of: &impl Fn(&Candidate) -> Arc<EncodedPaper>,
    ) {
        let today = facts.today;
        let mut known = Vec::new();
        for (section, shown) in filled(facts).zip(&frame.sections) {
            self.html.push_str(&digest::section_heading(&shown.name));
            self.text.push_str(&text::section_heading(&shown.name));
            for Chosen { candidate, reasons, trend } in &section.papers {
                let (paper, encoded) = (&candidate.paper, of(candidate));
                self.html.push_words(encoded.title(paper), &paper.title, &reasons.title);
                self.push(&encoded.facts(candidate, today, trend.as_deref(), step));
                if let Some(words) = encoded.abstract_text(paper, step) {
                    self.html.push_words(words, &paper.abstract_text, &reasons.abstract_text);
                }
                self.reasons(&reasons.queries, &mut known);
                self.push(encoded.links(candidate));
            }
        }
    }

    /// Why a paper is there. Several papers of a mail are there for the same reasons.
    fn reasons<'f>(&mut self, queries: &'f [Arc<str>], known: &mut Vec<(&'f [Arc<str>], Piece)>) {
        if queries.is_empty() {
            return;
        }
        let at = known.iter().position(|(known, _)| *known == queries).unwrap_or_else(|| {
            let (because, because_more) = because(queries);
            let card = Card { because, because_more, ..Card::default() };
            known.push((queries, Piece::new(&digest::card_reasons(&card), &text::card_reasons(&card))));
            known.len() - 1
        });
        self.push(&known[at].1);
    }

    /// What will not come.
    fn told(&mut self, frame: &Digest, told: &[&Candidate], of: &impl Fn(&Candidate) -> Arc<EncodedPaper>) {
        if !told.is_empty() {
            let [before, after] = &Same::parts().told;
            self.html.push(before);
            self.text.push_str(&text::told_heading());
            told.iter().for_each(|candidate| self.push(of(candidate).brief(candidate)));
            self.html.push_str(&digest::told_end(frame.told_more));
            self.text.push_str(&text::told_end(frame.told_more));
            self.html.push(after);
        }
        self.html.push_str(&digest::notes_row(&frame.notes));
        self.text.push_str(&text::notes(&frame.notes));
    }

    /// Everything below the last section.
    fn tail(
        &mut self,
        frame: &Digest,
        [told, also]: [&[&Candidate]; 2],
        of: &impl Fn(&Candidate) -> Arc<EncodedPaper>,
    ) {
        let Same { tail: [begin, end], also: [before, after], also_heading, .. } = Same::parts();
        self.html.push_str(&digest::waiting_row(frame.waiting));
        self.text.push_str(&text::waiting_line(frame.waiting));
        self.told(frame, told, of);
        if !also.is_empty() {
            self.html.push(before);
            self.text.push(also_heading);
            also.iter().for_each(|candidate| self.push(of(candidate).brief(candidate)));
            self.html.push(after);
        }
        self.html.push(begin);
        self.html.push_str(&digest::foot(frame));
        self.html.push(end);
        self.text.push_str(&text::foot(frame));
    }

    /// Octets and bytes of both so far.
    fn len(&self) -> [(usize, usize); 2] {
        [&self.html, &self.text].map(|body| (body.encoded.len(), body.bytes))
    }

    fn back_to(&mut self, len: [(usize, usize); 2]) {
        for (body, (octets, bytes)) in [&mut self.html, &mut self.text].into_iter().zip(len) {
            body.encoded.truncate(octets);
            body.bytes = bytes;
        }
    }

    fn are_within_limits(&self) -> bool {
        self.html.is_within_limits() && self.text.is_within_limits()
    }

    fn ended(self, frame: Digest, extent: Extent) -> Encoded {
        Encoded { subject: frame.subject, html: self.html.encoded, text: self.text.encoded, extent }
    }
}
