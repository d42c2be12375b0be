#!/usr/bin/env python3
"""Writes rules.txt: how a word's ending becomes that of its stem.

    apt-get download scowl hunspell-en-us wordnet-base
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done
    src/core/text/stem/generate.py unpacked > src/core/text/stem/rules.txt

The packages are Debian's. SCOWL says which words there are, in which spelling; WordNet and the affix flags of the American
Hunspell dictionary, which is made from SCOWL, say which of them are verbs, nouns and adjectives; WordNet lists what is
irregular. From these come pairs of a word and its stem, and from the pairs the smallest set of suffix rules that gets every
pair right. NOTICE has the licences. decisions/0028 says why it is done so.
"""
import collections
import os
import re
import sys

SHARE = os.path.join(sys.argv[1], "usr/share")
# SCOWL's sizes go from 10, the most common words, to 95. Rarer words than SIZE are left to what the rules generalize; their
# stems may be as rare as STEMS.
SIZE, STEMS, RARE = 60, 70, 99

# Words that keep their own stem. They are inflections by form alone, or have long gone their own way.
OWN = set(
    """
    anything being bedding better best bit bore born bound bring ceiling cling clothing clothes data dice drunk during evening
    everything farther farthest felled fling further furthest girt ground inning insignia later latest latter last lay least
    left lens less lieder lightning lit lodging meaning media more morning most naked nothing offspring outer overlay pence
    people plus pudding ragged rent ring rose rove rugged sacred sat shod shot sibling sing sling slew smelt something spat
    species spring sting stocking string swing thing this thought thus underlay upper us utter wedding wicked wing worse worst
    wound wove wring agenda opera stamina always news gas goods politics king series has was its his yes bus pus does less
    feed seed need speed bleed breed weed heed deed reed greed creed indeed exceed proceed succeed hundred beloved former
    elder eldest analytics inner as is are were been am be had did done dove dolmen
    """.split()
)
# Words with two stems: what they are an inflection of hangs on the sentence. Some have a second one that nobody means.
TWO = {
    "analyses": ["analysis", "analyze"],
    "axes": ["axis", "ax"],
    "bases": ["base", "basis"],
    "leaves": ["leaf", "leave"],
    "lives": ["life", "live"],
    "lower": ["low", "lower"],
    "means": ["mean", "means"],
    "statistics": ["statistics", "statistic"],
    "taxes": ["tax"],
}
# Plurals that WordNet doesn't have, or knows as words of their own too.
PLURALS = {
    "algae": "alga", "bacteria": "bacterium", "cocci": "coccus", "elves": "elf", "fungi": "fungus", "memoranda": "memorandum",
    "men": "man", "ova": "ovum", "oxen": "ox", "passersby": "passerby", "protozoa": "protozoan", "simplices": "simplex",
    "staphylococci": "staphylococcus", "stigmata": "stigma", "streptococci": "streptococcus", "teeth": "tooth",
}
# Words in -ics that are plurals; others are fields of study, or name no single thing.
PLURAL_ICS = set("antibiotics basics characteristics critics heuristics lyrics metrics mosaics tactics topics tropics".split())
# Comparatives that WordNet knows as nouns too, though nobody means those.
COMPARATIVES = set(
    "cleaner closer cooler drier fresher fuller leaner lighter longer sharper smoother steeper thinner warmer wetter".split()
)
# Verbs and plurals of the field that the dictionaries don't have.
MORE_VERBS = set(
    """
    backpropagate batch benchmark binarize chunk debias denoise detokenize discretize distill downsample embed finetune
    jailbreak overfit parameterize postprocess prefetch preprocess pretrain prompt prune quantize relabel reparameterize
    rephrase rerank retrain reweight subsample tokenize tune underfit unlearn upsample vectorize
    """.split()
)
MORE_NOUNS = set("app bot chatbot dataset embedding logit morph op spec stat token var".split())
ACRONYMS = "cnn cpu dnn gnn gpu llm lstm mllm mlp npu rnn tpu vlm".split()
# Letters that differ between British and American spelling, tried in this order. `$` is the end of a word.
SPELLINGS = [line.split("/") for line in
    """our/or is/iz ys/yz re$/er res$/ers red$/ered ring$/ering ogue/og ae/e oe/e ll/l l/ll enc/ens pp/p tt/t ss/s grey/gray
    mould/mold sc/sk ph/f ge/g mme/m practis/practic licenc/licens plough/plow oeu/eu e/ en/in ii/i artef/artif xion/ction
    ium/um ol/oll""".split()]
# Pairs that no such letter explains, and those where American English has both.
SPELLED = {
    "acknowledgement": "acknowledgment", "acknowledgements": "acknowledgment", "adaptor": "adapter", "adaptors": "adapter",
    "aging": "age", "ageing": "age", "aluminium": "aluminum", "analogue": "analog", "analogues": "analog",
    "analyse": "analyze", "artefact": "artifact", "artefacts": "artifact", "biassed": "bias", "catalogue": "catalog",
    "catalogued": "catalog", "catalogues": "catalog", "cataloguing": "catalog", "centre": "center", "centres": "center",
    "dialogue": "dialog", "dialogues": "dialog", "disc": "disk", "discs": "disk", "distil": "distill",
    "enquiries": "inquiry", "enquiry": "inquiry", "enrol": "enroll", "focussed": "focus", "focusses": "focus",
    "focussing": "focus", "fulfil": "fulfill", "grey": "gray", "instalment": "installment", "jewellery": "jewelry",
    "judgement": "judgment", "judgements": "judgment", "likeable": "likable", "manoeuvre": "maneuver",
    "manoeuvres": "maneuver", "metre": "meter", "programme": "program", "programmes": "program", "sceptic": "skeptic",
    "sizeable": "sizable", "sulphur": "sulfur", "theatre": "theater", "theatres": "theater", "useable": "usable",
}


def scowl(names, size):
    """The words of SCOWL's lists of these names, each with its size."""
    words = {}
    folder = os.path.join(SHARE, "dict/scowl")
    for file in os.listdir(folder):
        name, rank = file.rsplit(".", 1)
        if re.fullmatch(names, name) and int(rank) <= size:
            for word in open(os.path.join(folder, file), encoding="latin1").read().split():
                word = word.removesuffix("'s")
                if re.fullmatch("[A-Za-z]{2,}", word):
                    words[word.lower()] = min(int(rank), words.get(word.lower(), RARE))
    return words


def wordnet(part):
    lines = open(os.path.join(SHARE, f"wordnet/index.{part}"))
    return {word for word in (line.split(" ", 1)[0] for line in lines) if re.fullmatch("[a-z]+", word)}


def irregular(part):
    forms = collections.defaultdict(list)
    for line in open(os.path.join(SHARE, f"wordnet/{part}.exc")):
        word, *bases = line.split()
        if re.fullmatch("[a-z]+", word):
            forms[word] += [base for base in bases if re.fullmatch("[a-z]+", base)]
    return forms


def hunspell():
    flags = {}
    for line in open(os.path.join(SHARE, "hunspell/en_US.dic"), encoding="utf8").read().split("\n")[1:]:
        word, _, of_word = line.partition("/")
        if re.fullmatch("[a-z]+", word):
            flags.setdefault(word, set()).update(of_word)
    return flags


WORDS = scowl("(english|american)-words", SIZE)
NAMES = scowl("(english|american)-(proper-names|upper)", SIZE)
OTHERS = scowl(r"(british(_z)?|australian|canadian|variant_[12]|(british|canadian|australian)_variant_[12])-words", SIZE)
OTHERS = {word: size for word, size in OTHERS.items() if word not in WORDS}
STEM_WORDS = scowl("(english|american)-words", STEMS)
FORMS = {**dict.fromkeys(MORE_VERBS | MORE_NOUNS, STEMS), **NAMES, **OTHERS, **STEM_WORDS}
LOWER = STEM_WORDS.keys() | OTHERS.keys()
FLAGS = hunspell()
ADJECTIVES, ADVERBS, NOUNS = wordnet("adj"), wordnet("adv"), wordnet("noun")
VERBS = wordnet("verb") | {word for word, flags in FLAGS.items() if {"G", "D"} <= flags} | MORE_VERBS
VERBS -= set("ab aby acne ad ant bee bes bl br car carl ch ins mot sin".split())
VERBS |= {word for word in STEM_WORDS if word.endswith("ize")}
PREFIXES = "(air|co|counter|cross|de|dis|down|fore|inter|mis|out|over|pre|re|sub|un|under|up)"
VERBS |= {
    word
    for word in STEM_WORDS
    if re.match(PREFIXES, word) and re.sub("^" + PREFIXES, "", word) in VERBS and not word.endswith(("ing", "ed"))
}
THINGS = NOUNS | VERBS | MORE_NOUNS | {word for word, flags in FLAGS.items() if "S" in flags}
THINGS |= {word for word in STEM_WORDS if len(word) > 3 and word not in ADJECTIVES | ADVERBS}
NOUN_FORMS, VERB_FORMS, ADJECTIVE_FORMS = irregular("noun"), irregular("verb"), irregular("adj")


def verbs(word):
    """What `word` may be a form of by its letters, the likeliest first."""
    found = list(VERB_FORMS.get(word, []))
    ending = next((end for end in ("ing", "ed") if word.endswith(end)), "")
    begin = word[: -len(ending)]
    if not ending or len(begin) < 2 or not re.search("[aeiouy]", begin):
        return found
    if word.endswith("ied") and len(word) > 4:
        found.append(word[:-3] + "y")
    if word.endswith("eed"):
        found.append(word[:-1])
    if len(begin) > 3 and begin[-1] == begin[-2] and begin[-1] not in "aeious":
        found.append(begin[:-1])
    if begin[-1] != "e" or ending == "ing":
        found.append(begin + "e")
    # "hoping" is no form of "hop", which doubles its p; "traveling" is one of "travel".
    doubles = any(begin in VERB_FORMS.get(begin + begin[-1] + end, []) for end in ("ing", "ed"))
    if not doubles or len(begin) > 3 and begin in VERBS and begin + "e" not in VERBS:
        found.append(begin)
    return found


def stems(word):
    """The stem of a word in American spelling; two where it may be either."""
    if word in TWO:
        return TWO[word]
    if word in OWN or len(word) < 3:
        return [word]
    found = [verb for verb in verbs(word) if verb in VERBS and verb in FORMS and verb != word]
    if found:
        is_regular = word.endswith(("ing", "ed"))
        if is_regular and word in VERBS:
            return [word]
        listed = [verb for verb in VERB_FORMS.get(word, []) if verb in found]
        # The first, unless it is much rarer than another.
        best = min(listed or found, key=lambda verb: WORDS.get(verb, RARE) > WORDS.get(found[0], RARE) - 25)
        if listed:
            best = min(listed, key=lambda verb: WORDS.get(verb, RARE))
        elif WORDS.get(found[0], RARE) < RARE:
            best = next((v for v in found[1:] if WORDS.get(v, RARE) <= WORDS.get(found[0], RARE) - 25), found[0])
        return [best] if is_regular or word not in VERBS else [best, word]
    if word in NOUN_FORMS and len(word) > 3 and word not in NOUNS | VERBS:
        found = [noun for noun in NOUN_FORMS[word] if noun in FORMS]
        if found:
            return found[:1] if word.endswith("ies") else found[:2]
    if is_of_men(word, LOWER):
        return [word[:-2] + "an"]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return plural(word)
    ending = next((end for end in ("er", "est") if word.endswith(end)), "")
    if ending and (word in COMPARATIVES or word not in NOUNS | VERBS):
        begin = word[: -len(ending)]
        for base in (begin + "e", begin, begin[:-1] + "y" if begin.endswith("i") else "", begin[:-1]):
            is_doubled = base != begin[:-1] or len(begin) > 3 and begin[-1] == begin[-2]
            is_compared = "T" in FLAGS.get(base, "") or base in ADJECTIVE_FORMS.get(word, [])
            if is_doubled and base in ADJECTIVES and base in WORDS and is_compared:
                return [base]
    return [word]


def is_of_men(word, words):
    """Whether it is a plural like "policemen": WordNet lists few of these. There is no "abdoman"."""
    return word.endswith("men") and word not in OWN and word[:-2] + "an" in words


def plural(word):
    """The stem of a word in -s."""
    if word.endswith("ics") and word in NOUNS and word not in PLURAL_ICS:
        return [word]
    found = [word[:-3] + "y"] if word.endswith("ies") and len(word) > 4 else []
    if word.endswith("es") and len(word) > 4 and word[:-2].endswith(("s", "x", "z", "ch", "sh", "o")):
        found.append(word[:-2])
    found.append(word[:-1])
    found = [base for base in found if base in THINGS and base in FORMS and (len(base) > 2 or base in ("ad", "id"))]
    if not found:
        return [word]
    base = min(found, key=lambda base: (FORMS[base], base != word[:-1]))
    # "embeddings" are of "embed", as "embedding" is.
    return stems(base)


def american(word):
    """`word` as Americans spell it, if it is a word in another spelling."""
    for other, ours in SPELLINGS:
        for match in re.finditer(other, word):
            spelled = word[: match.start()] + ours + word[match.end() :]
            if spelled in WORDS:
                return spelled
            for second, again in SPELLINGS[:3]:
                if spelled.replace(second, again, 1) in WORDS:
                    return spelled.replace(second, again, 1)
    return None


def pairs():
    """Every word with its stem or its two."""
    found = {word: stems(word) for word in WORDS}
    for word in OTHERS:
        spelled = american(word)
        found[word] = found[spelled] if spelled else stems(word)
    for word in WORDS:
        ending = re.search("iz(e|es|ed|er|ers|ing|ation|ations|able)$", word)
        british = word[: ending.start()] + "is" + word[ending.start() + 2 :] if ending else None
        if british and british not in found:
            found[british] = found[word]
    for word in NAMES:
        found.setdefault(word, [word[:-1]] if word.endswith("s") and word[:-1] in NAMES else [word])
    found.update({word: [word[:-2] + "an"] for word in NAMES if is_of_men(word, NAMES)})
    found.update({word: [stem] for word, stem in (SPELLED | PLURALS).items()})
    # "breakings" is a word as soon as somebody needs it.
    for word in WORDS:
        if word.endswith("ing") and found[word] != [word]:
            found.setdefault(word + "s", found[word])
    # Nothing is known of "heartbreaking" but that it ends like "breaking": the rules may do with it what they like.
    inflected = {word for word in WORDS if found[word] != [word] and word.endswith(("s", "ed", "ing"))}
    for word in WORDS:
        ends = (word[at:] for at in range(2, len(word) - 3))
        if found[word] == [word] and word.endswith(("s", "ed", "ing")) and word not in NOUNS:
            if inflected.isdisjoint(ends):
                continue
            del found[word]
    found.update({word: [word] for word in OWN})
    found.update({acronym + "s": [acronym] for acronym in ACRONYMS})
    for word in found:
        found[word] = list(dict.fromkeys(last(found, stem) for stem in found[word]))
    for stem in {stem for of_word in found.values() for stem in of_word}:
        found.setdefault(stem, [stem])
    return found


def last(found, stem):
    """The stem of a stem."""
    for _ in range(4):
        then = found.get(stem, [stem])
        if stem in then:
            return stem
        stem = then[0]
    return stem


# A rule: how many letters go, and what takes their place; two of them for a word with two stems.
SAME = ((0, ""),)


def rule(word, of_word):
    def one(stem):
        length = len(os.path.commonprefix([word, stem]))
        return (len(word) - length, stem[length:])

    return tuple(one(stem) for stem in of_word)


class Node:
    """A suffix, and the rules of the words that end so. `^` is the beginning of a word."""

    def __init__(self):
        self.longer, self.rules, self.best = {}, collections.Counter(), set()


def smallest(found):
    """The fewest rules of which the longest that fits gets each word right: routing tables are made so (Draves, King,
    Venkatachary, Zill: "Constructing Optimal IP Routing Tables", INFOCOM 1999), with suffixes for addresses."""
    root = Node()
    # What says nothing about other words with the same ending: comparatives, and all that was decided by hand.
    alone = {word for word, of_word in found.items() if len(of_word) > 1 or word in OWN or word in SPELLED | PLURALS}
    alone |= {acronym + "s" for acronym in ACRONYMS}
    alone |= {word for word in WORDS if word.endswith(("er", "est")) and found[word] != [word]}
    # "Stamen" ends like "doormen"; nothing does like "women" and "craftsmen" but their like.
    alone |= {word for word in found if word.endswith("men") and not word.endswith(("women", "smen"))}
    for word, of_word in found.items():
        of_word = rule(word, [word] if word in alone else of_word)
        node = root
        node.rules[of_word] += 1
        for letter in [*reversed(word), "^"]:
            node = node.longer.setdefault(letter, Node())
            node.rules[of_word] += 1

    def choose(node):
        counts = collections.Counter()
        for longer in node.longer.values():
            choose(longer)
            counts.update(longer.best)
        most = max(counts.values(), default=0)
        node.best = {of_node for of_node, count in counts.items() if count == most} or set(node.rules)

    rules = {}

    def write(node, suffix, inherited):
        if inherited not in node.best:
            if node.rules.total() == 1:
                # One word: it speaks for longer ones if it is long enough.
                while node.longer and "^" not in node.longer:
                    ((letter, node),) = node.longer.items()
                    suffix = letter + suffix
                suffix = suffix.removeprefix("^")
                rules[suffix if node.longer and len(suffix) >= 5 else "^" + suffix] = next(iter(node.rules))
                return
            inherited = max(sorted(node.best), key=lambda of_node: (node.rules[of_node], of_node == SAME))
            rules[suffix] = inherited
        for letter, longer in node.longer.items():
            write(longer, letter + suffix, inherited)

    sys.setrecursionlimit(10_000)
    choose(root)
    root.best = {SAME}
    write(root, "", SAME)
    for word in alone:
        rules["^" + word] = rule(word, found[word])
    return rules


def apply(rules, word):
    fits = next((rules[key] for key in ["^" + word, *(word[at:] for at in range(len(word)))] if key in rules), SAME)
    return [word[: len(word) - cut] + end for cut, end in fits]


def main():
    found = pairs()
    rules = smallest(found)
    wrong = [word for word in found if apply(rules, word) != found[word]]
    assert not wrong, wrong
    print("# How words become stems: letters to take off, letters to put on, and the endings for which it is so. The longest")
    print("# ending counts; ^ is the beginning of a word. Written by generate.py from SCOWL and WordNet: NOTICE has their terms.")
    by_rule = collections.defaultdict(list)
    for suffix, of_suffix in rules.items():
        by_rule[of_suffix].append(suffix)
    for of_rule, suffixes in sorted(by_rule.items()):
        print("|".join(f"{cut}{end}" for cut, end in of_rule), *sorted(suffixes))


main()
