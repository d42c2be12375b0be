//! The lists that the demo's site shows: invented papers on two successive days.
//!
//! Between the two states happens what happens on the real site in a day: new papers are listed (one of them late, on
//! the day before), one appears again, one has its title mended, and votes and comments move. Among the papers are the
//! shapes that a mail has to survive: LaTeX and markup in a title, another script, many authors, and every field that may be
//! missing. No such papers exist; their numbers are beyond any that arXiv has given in a month.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::site::{Entry, Lists};

/// What the site shows on the first day.
pub fn first(day: NaiveDate) -> Lists {
    let listed = SAMPLES.iter().filter(|sample| sample.listed == Listed::First);
    BTreeMap::from([(day, listed.map(|sample| sample.entry(0).on(day)).collect())])
}

/// What it shows a day later; `day` is still the first one.
pub fn second(day: NaiveDate, next: NaiveDate) -> Lists {
    let on = |wanted: &[Listed], day| {
        let listed = SAMPLES.iter().filter(|sample| wanted.contains(&sample.listed));
        listed.map(|sample| sample.entry(1).on(day)).collect::<Vec<_>>()
    };
    let mut today = on(&[Listed::Second], next);
    today.extend(SAMPLES.iter().filter(|sample| sample.again).map(|sample| sample.entry(1).on(next)));
    BTreeMap::from([(day, on(&[Listed::First, Listed::Late], day)), (next, today)])
}

struct Sample {
    id: &'static str,
    title: &'static str,
    /// The title of the second day, where it differs.
    mended: Option<&'static str>,
    authors: &'static [&'static str],
    organization: Option<(&'static str, &'static str)>,
    code: Option<(&'static str, u32)>,
    project: Option<&'static str>,
    keywords: &'static [&'static str],
    listed: Listed,
    /// Listed again on the second day.
    again: bool,
    /// On the first and the second day.
    upvotes: [u32; 2],
    comments: [u32; 2],
    text: &'static str,
}

#[derive(PartialEq)]
enum Listed {
    First,
    Second,
    /// On the first day's list, but only seen on the second.
    Late,
}

impl Sample {
    /// The paper in the site's first state, 0, or in its second, 1.
    fn entry(&self, state: usize) -> Entry {
        let title = self.mended.filter(|_| state == 1).unwrap_or(self.title);
        let owned = |text: &&str| (*text).to_owned();
        Entry {
            abstract_text: self.text.to_owned(),
            authors: self.authors.iter().map(owned).collect(),
            organization: self.organization.map(|(name, full)| (name.to_owned(), full.to_owned())),
            upvotes: self.upvotes[state],
            comments: self.comments[state],
            code: self.code.map(|(address, stars)| (address.to_owned(), stars)),
            project: self.project.map(str::to_owned),
            keywords: self.keywords.iter().map(owned).collect(),
            ..Entry::new(self.id, title)
        }
    }
}

/// What most samples share.
const PLAIN: Sample = Sample {
    id: "",
    title: "",
    mended: None,
    authors: &[],
    organization: None,
    code: None,
    project: None,
    keywords: &[],
    listed: Listed::First,
    again: false,
    upvotes: [0, 0],
    comments: [0, 0],
    text: "",
};

const SAMPLES: [Sample; 14] = [
    Sample {
        id: "2601.90001",
        title: "Ask Twice: Retrieval-Augmented Generation That Knows When to Look Again",
        authors: &["A. Alder", "B. Birch", "C. Cedar"],
        code: Some(("https://code.example.org/ask-twice", 412)),
        keywords: &["retrieval-augmented generation", "uncertainty"],
        upvotes: [87, 131],
        comments: [4, 9],
        text: "Retrieval-augmented generation usually fetches its evidence once, before the first token is written, and then has to \
live with whatever came back. We study when a second look pays. Ask Twice lets a language model pause at the \
sentence boundary, estimate from its own hidden states whether the evidence at hand still supports what it is about \
to say, and issue a new query only if it does not. The estimator is a linear probe trained on four thousand labelled \
pauses, so it adds less than one per cent to the cost of decoding. On five question-answering sets whose answers \
need two or more documents, our method raises exact match by 6.3 points over retrieval at every step while sending \
71 per cent fewer queries. An error analysis shows that most of the remaining mistakes come from documents that \
contradict each other, not from documents that are missing.",
        ..PLAIN
    },
    Sample {
        id: "2601.90002",
        title: "Diffusion Models Forget Their Edges: Boundary-Aware Noise for Image Synthesis",
        authors: &["D. Dogwood", "E. Elm"],
        project: Some("https://projects.example.org/edges"),
        keywords: &["diffusion models", "noise schedules"],
        upvotes: [64, 70],
        comments: [2, 2],
        text: "Images sampled from diffusion models are often sharp in the middle and oddly soft along the contours of thin \
objects. We trace this to the noise schedule: uniform Gaussian noise destroys high-frequency boundaries long before \
it destroys texture, so that the denoiser sees almost no training signal about them in the steps that decide the \
layout. We propose boundary-aware noise, which lowers the variance near edges found by a fixed filter and returns to \
the usual schedule as time goes on. The change touches eleven lines of a training loop and needs no new parameters. \
On three image sets at resolutions up to 1024 pixels it improves the recall of thin structures by a fifth and leaves \
the Fréchet distance unchanged or slightly better. In a blinded study with ninety participants our samples were \
preferred in 63 per cent of the pairs. We also report where it fails: on line drawings, where everything is an edge.",
        ..PLAIN
    },
    Sample {
        id: "2601.90003",
        title: "State-Space Models Can Count, but Only If You Let Them Carry",
        authors: &["F. Fir", "G. Ginkgo", "H. Hazel", "I. Ivy"],
        code: Some(("https://code.example.org/carry", 58)),
        keywords: &["state-space models", "length generalisation"],
        again: true,
        upvotes: [41, 96],
        comments: [1, 6],
        text: "Linear state-space models match transformers on many sequence tasks at a fraction of the memory, yet they fail at \
counting beyond the lengths seen in training. We show that the failure is not one of capacity. A diagonal recurrence \
with bounded eigenvalues can hold a counter, but gradient descent prefers solutions that decay, because the loss on \
short sequences can't tell the two apart. A single carry channel, whose eigenvalue is fixed at one and whose input \
is gated, removes the ambiguity. Models with it extrapolate from sequences of 256 tokens to 65,536 on parity, \
bracket matching and multi-digit addition, and lose nothing in language modelling up to 1.4 billion parameters. We \
prove that one such channel for each counter is enough, and that without any the number of training lengths needed \
grows linearly with the length at test time.",
        ..PLAIN
    },
    Sample {
        id: "2601.90004",
        title: "Twelve Kitchens: A Year of Household Robotics in the Wild",
        authors: &[
            "J. Juniper",
            "K. Katsura",
            "L. Larch",
            "M. Maple",
            "N. Nutmeg",
            "O. Oak",
            "P. Pine",
            "Q. Quince",
            "R. Rowan",
            "S. Spruce",
            "T. Tamarack",
            "U. Umbrella Thorn",
        ],
        keywords: &["robotics", "manipulation", "long-term deployment"],
        upvotes: [52, 58],
        comments: [3, 3],
        text: "Robot manipulation is mostly evaluated for an afternoon in a laboratory. We placed identical mobile manipulators in \
twelve homes for a year and let them load dishwashers, wipe tables and put groceries away, with one shared policy \
that was updated every week. This paper reports what happened. Success rose from 38 to 81 per cent over the first \
five months and then fell by nine points when the seasons changed the light; a simple augmentation with window \
shadows brought it back. A third of all failures had nothing to do with perception or control but with drawers, \
chargers and pets. We describe the protocol for consent and privacy, the taxonomy of 2,914 annotated failures, and a \
model that predicts from the first three seconds of an attempt whether a person will have to step in. The failures, \
with all faces and voices removed, are released for research.",
        ..PLAIN
    },
    Sample {
        id: "2601.90005",
        title: "FoldLite: Protein Folding on a Laptop with Sparse Pair Representations",
        authors: &["V. Viburnum", "W. Willow"],
        organization: Some(("example-institute", "Example Institute for Structural Biology")),
        code: Some(("https://code.example.org/foldlite", 2310)),
        project: Some("https://projects.example.org/foldlite"),
        keywords: &["protein folding", "sparse attention", "structure prediction"],
        upvotes: [118, 164],
        comments: [11, 19],
        text: "The memory of modern structure prediction grows with the square of the sequence length, because every pair of \
residues keeps a vector of its own. Most of these pairs never touch. FoldLite predicts a contact graph first, from \
the sequence alone, and allocates pair vectors only along its edges and those two steps away; the graph is revised \
three times as the structure takes shape. For proteins of a thousand residues this reduces peak memory from 31 to \
2.2 gigabytes and brings protein folding within reach of an ordinary laptop, at a median loss of 0.012 in the local \
distance test. Accuracy on complexes suffers more, and we discuss why contacts between chains are harder to foresee. \
We fold a bacterial proteome of 4,100 chains in two days on one consumer graphics card, and release the weights \
together with a viewer that shows which pairs the model decided to keep.",
        ..PLAIN
    },
    Sample {
        id: "2601.90006",
        title: "Whispered Speech Recogniton Without Whispered Data",
        mended: Some("Whispered Speech Recognition Without Whispered Data"),
        authors: &["X. Xylosma", "Y. Yew"],
        keywords: &["speech recognition", "data augmentation"],
        upvotes: [23, 29],
        comments: [0, 1],
        text: "Speech recognisers trained on ordinary voices lose half of their accuracy when people whisper, and collections of \
whispered speech are small and hard to make. We show that none are needed. A source-filter model removes the voicing \
from ordinary recordings, replaces it by shaped noise and moves the formants upward by an amount drawn from what \
phoneticians have measured. Training on a mixture of one part such pseudo-whispers to four parts ordinary speech \
lowers the word error rate on three whispered test sets from 41.0 to 17.5 per cent, and slightly improves \
recognition in noise. A recogniser for a tonal language profits as well, although whispering removes its tones; \
probing suggests that the model learns to read them from duration and intensity. The whole augmentation runs in real \
time on one processor core and is described in forty lines of pseudocode.",
        ..PLAIN
    },
    Sample {
        id: "2601.90007",
        title: r"Tight $\mathcal{O}(\sqrt{T})$ Regret for Bandits with 95\% Missing Feedback",
        authors: &["Z. Zelkova"],
        keywords: &["bandits", "online learning"],
        upvotes: [9, 12],
        text: "In many applications of multi-armed bandits the reward of a pull is seldom observed: a visitor leaves, a sensor \
sleeps, a form is never returned. When feedback is missing at random with a rate of up to 95\\%, known algorithms \
suffer regret of order $T^{2/3}$, and it was open whether this is necessary. We answer in the negative. A \
follow-the-perturbed-leader strategy with an estimator that is updated only at geometrically spaced times achieves \
expected regret $\\mathcal{O}(\\sqrt{T K \\log K / p})$, where $p$ is the observation rate, and a matching lower \
bound shows that the dependence on $p$ can't be improved. The strategy needs no knowledge of $p$. If the \
observations are missing not at random but by the choice of an adversary who knows the past, we show that linear \
regret is unavoidable for any $p < 1/2$, which gives a sharp line between the two models. Simulations on synthetic \
data agree with the theory.",
        ..PLAIN
    },
    Sample {
        id: "2601.90008",
        title: "小さな言語モデルのための段階的蒸留：教師はいつ黙るべきか",
        authors: &["A. Aspen", "B. Beech"],
        keywords: &["knowledge distillation", "small language models"],
        upvotes: [31, 33],
        comments: [2, 2],
        text: "When a small language model is distilled from a large one, the teacher usually speaks at every token. We ask when it \
should fall silent. Measuring the agreement between student and teacher during training, we find three phases: at \
first any signal helps, then only the tokens on which both disagree do, and in the end the teacher's own uncertainty \
begins to harm. Staged distillation follows these phases: it samples tokens by disagreement, lets the share of the \
teacher fall to zero on a schedule that is read off the validation loss, and closes with plain text. For Japanese, \
English and Indonesian students of 125 to 900 million parameters it saves between 40 and 55 per cent of the calls to \
the teacher at equal quality, and at equal cost it improves reading comprehension by 2.8 points. The three \
parameters of the schedule transfer between languages.",
        ..PLAIN
    },
    Sample {
        id: "2601.90009",
        title: "Does <script>alert('agent')</script> Reach the Model? Markup Injection in Web Agents",
        authors: &["C. Cypress", "D. Dawn Redwood", "E. Ebony"],
        keywords: &["web agents", "prompt injection", "security"],
        listed: Listed::Second,
        upvotes: [0, 77],
        comments: [0, 8],
        text: "Web agents read pages that strangers wrote. We collect 1,200 ways to hide an instruction in markup, from comments \
and <noscript> elements to attributes, style sheets & zero-width characters, and test which of them survive the \
preprocessing of nine open agents. Between 14 and 62 per cent do. Sanitising helps less than expected, since most \
agents flatten the page to text before they clean it, and so turn what was inert into words. We propose to keep the \
origin of every span through the pipeline and to let the policy treat text that no reader would see as data that \
can't command. This reduces the rate of successful attacks from 37 to 2 per cent on average, and costs four per cent \
of task success. The collection contains no working exploit against any named product; maintainers of all nine \
agents were told ninety days before publication.",
        ..PLAIN
    },
    Sample {
        id: "2601.90010",
        title: "Page Less, Serve More: Key-Value Caches as Memory-Mapped Files",
        authors: &["F. Fig", "G. Gum"],
        organization: Some(("sample-systems", "Sample Systems Lab")),
        code: Some(("https://code.example.org/page-less", 5840)),
        project: Some("https://projects.example.org/page-less"),
        keywords: &["inference", "key-value cache", "language model serving"],
        listed: Listed::Second,
        upvotes: [0, 142],
        comments: [0, 21],
        text: "Serving long conversations with large language models is limited by the key-value cache, which is thrown away when a \
user pauses and computed anew when they return. We treat the cache as what it is, an immutable prefix tree, and keep \
it in memory-mapped files whose pages the operating system moves between accelerator host memory and solid-state \
disks. An eviction policy learned from arrival times prefers to keep the pages that are expensive to recompute, not \
those used last. On a trace of eleven million requests from a coding assistant the time to the first token falls by \
58 per cent at the median and by 74 per cent at the ninety-ninth percentile, and one accelerator serves 2.6 times as \
many open conversations. The implementation has 1,900 lines and needs no change to the attention kernels. We discuss \
the privacy of caches on disk and encrypt each tenant's pages with a key of its own.",
        ..PLAIN
    },
    Sample {
        id: "2601.90011",
        title: "Retrieval Is Not Memory: A Benchmark of What Agents Should Have Remembered",
        authors: &["H. Holly", "I. Ironwood", "J. Jacaranda"],
        keywords: &["benchmarks", "retrieval", "agents", "memory"],
        listed: Listed::Second,
        upvotes: [0, 55],
        comments: [0, 5],
        text: "Assistants that work with a person for weeks are said to need memory, and memory is mostly built as retrieval over \
transcripts. We argue that these are different things and give a benchmark that tells them apart. It has 480 \
simulated collaborations of up to sixty sessions, in which facts are corrected, plans dropped and preferences \
revealed only by what a person does. The questions ask not for what was said but for what should be known by now. \
Eight agents with dense, sparse and hybrid retrieval reach at most 44 per cent, while people who read the same \
transcripts reach 91. A simple agent that rewrites a page of notes after each session beats all of them at 63 per \
cent, with a hundredth of the storage. We analyse which corrections are lost, and find that agents are most wrong \
about what changed slowly.",
        ..PLAIN
    },
    Sample {
        id: "2601.90012",
        title: "Rewarding the Proof, Not the Answer: Reinforcement Learning with Partial Verifiers",
        authors: &["K. Kauri", "L. Linden", "M. Mulberry", "N. Neem"],
        code: Some(("https://code.example.org/partial-verifiers", 190)),
        keywords: &["reinforcement learning", "verifiable rewards", "reasoning"],
        listed: Listed::Second,
        upvotes: [0, 68],
        comments: [0, 4],
        text: "Reinforcement learning with verifiable rewards teaches language models to reason wherever the final answer can be \
checked, and nothing where it can't. Many steps of an argument, however, can be checked even if its conclusion \
can't: a unit must match, an equation must hold for random numbers, a cited lemma must exist. We define partial \
verifiers, functions that confirm, refute or abstain on single steps, and show how to combine many weak ones into a \
reward that is unbiased if abstentions are modelled. A policy trained with fourteen such verifiers on university \
physics problems without known answers improves expert ratings of its derivations from 2.4 to 3.6 of 5, and, unlike \
one rewarded for answers alone, seldom reaches a right result by a wrong path. We also report how policies learn to \
make a verifier abstain, and an audit that finds this early.",
        ..PLAIN
    },
    Sample {
        id: "2601.90013",
        title: "Seeing Fields Through Clouds: A Tiny Vision Transformer for Satellite Time Series",
        authors: &["O. Olive", "P. Persimmon"],
        listed: Listed::Late,
        upvotes: [0, 19],
        comments: [0, 0],
        text: "Maps of what grows where are made from satellite images, and clouds hide two thirds of those in the regions that \
need the maps most. Existing models fill the gaps first and classify later. We train one vision transformer of 1.1 \
million parameters to do neither: it attends over whatever cloud-free pixels a season offers, each with its date, \
and predicts the crop with a calibrated probability. Masks for pretraining are cut from real clouds instead of \
rectangles, which alone accounts for half of the gain. In four countries with as few as three clear views a season \
it is 7.9 points more accurate than models thirty times its size, and it runs on a telephone. Agronomists in two of \
the countries used it during one season; we report where its maps changed a decision and where they were rightly not \
believed.",
        ..PLAIN
    },
    Sample {
        id: "2601.90014",
        title: "Federated Learning When Nobody Comes Back",
        authors: &["Q. Quandong", "R. Redbud", "S. Sycamore"],
        listed: Listed::Second,
        upvotes: [0, 14],
        comments: [0, 1],
        text: "Analyses of federated learning assume that a client sampled today may be sampled again. In the largest deployments \
it hardly ever is: with hundreds of millions of telephones, nearly every client takes part once. We study this \
limit, in which methods that keep a state for each client, such as control variates and personal layers, degrade to \
noise. We prove that under single participation no method can beat plain averaging by more than a constant factor \
unless the server learns something about the population, and give one that does so with differential privacy, by \
clustering noisy sketches of the updates. On next-word prediction in six languages it closes 70 per cent of the gap \
to centralised training at a privacy loss of two, against 31 per cent for the best earlier method. The sketches add \
400 bytes to each upload, and clients never learn which cluster they are in.",
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_papers_came_late_came_new_came_again_and_changed() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day");
        let next = day.succ_opt().expect("a day");
        let (first, second) = (first(day), second(day, next));
        let ids = |lists: &Lists, day| -> Vec<String> {
            lists[&day].iter().map(|item| item["paper"]["id"].as_str().expect("an id").to_owned()).collect()
        };
        let (before, after, today) = (ids(&first, day), ids(&second, day), ids(&second, next));
        assert_eq!((before.len(), after.len(), today.len()), (8, 9, 6));
        assert_eq!(today.iter().filter(|id| before.contains(id)).count(), 1, "one is listed again");
        let title = |lists: &Lists, n: usize| lists[&day][n]["paper"]["title"].clone();
        assert_eq!((0..8).filter(|n| title(&first, *n) != title(&second, *n)).count(), 1, "one title is mended");
        assert!((0..8).all(|n| first[&day][n]["paper"]["upvotes"] != second[&day][n]["paper"]["upvotes"]));
    }

    #[test]
    fn abstracts_are_as_long_as_abstracts_are() {
        for sample in &SAMPLES {
            let words = sample.text.split_whitespace().count();
            assert!((100..=170).contains(&words) && !sample.text.contains('\n'), "{}: {words} words", sample.id);
        }
    }
}
