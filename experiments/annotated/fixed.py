"""What must not vary in a word problem: names, dates, shares, units, bills, and whatever the world fixes."""

import re
from fractions import Fraction

from experiments.annotated.numerals import Number, Numeral, numerals, simplest, value_of, words_worth

# A number that one of these covers stays as it is. `N` stands for the digits.
_N = r"\d[\d,]*(?:\.\d+)?|\.\d+"
_BETWEEN = r"[-\s]+"
_BODY = (
    r"(?:legs?|legged|eyes?|arms?|wings?|wheels?|wheeled|wheeler|sided?|sides|tires?|feet per|corners?|toes?)"
)
_PATTERNS = (
    r"\d[\d,]*\s*/\s*\d[\d,]*(?:ths?)?",  # fractions
    r"\d+\s*:\s*\d+",  # clocks and ratios
    rf"(?:{_N}){_BETWEEN}(?:feet|foot|ft|'),?\s*(?:and\s+)?(?:{_N}){_BETWEEN}(?:inch(?:es)?|in)\b",
    rf"(?:{_N}){_BETWEEN}(?:hours?|minutes?|pounds?|weeks?|years?),?\s*(?:and\s+)?"
    rf"(?:{_N}){_BETWEEN}(?:minutes?|seconds?|ounces?|days?|months?)\b",
    rf"\bmarathon is (?:{_N})",
    rf"(?:{_N})\s*(?:%|percent|per cent)",
    rf"\$\s*(?:{_N}){_BETWEEN}(?:dollar\s+)?(?:bills?|coins?|notes?)\b",
    rf"(?:{_N}){_BETWEEN}(?:dollars?|cents?){_BETWEEN}(?:bills?|coins?|notes?|pieces?)\b",
    r"\d+(?:st|nd|rd|th|s)\b",
    r"\d+\s*(?:a\.?m\b|p\.?m\b|o'?clock)",
    r"\b(?:at|until|till|before|after|around)\s+\d+(?=\s*(?:[.,;!?]|in the (?:morning|evening|afternoon)|$))",
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+\d+",
    r"\d+\s+(?:January|February|March|April|June|July|August|September|October|November|December)\b",
    r"(?<![$\d,])(?:1[6-9]|20)\d\d(?![\d,]|\.\d)(?!\s+[a-z]+s\b)",  # years
    rf"(?:#|\b(?:no\.|number|room|grade|level|route|highway|chapter|size|phase|version|lane|day|week|round|year|"
    rf"month|class|team|type|part|step|box|bag|group|apartment|volume|section|shelf|floor|stage|stop|aisle|"
    rf"hole|bus|train|interstate|player|person|formula|top|under|over|series))\s*{_BETWEEN}?(?:{_N})\b",
    rf"(?:{_N})\s*(?:school\s*)?(?:work\s*|week)?{_BETWEEN}?days?\s*"
    r"(?:a|per|each|every|of the|in a|out of the|during the)"
    rf"\s*(?:school\s*|work\s*)?(?:week|month|year)",
    rf"(?:{_N})(?:\s+\w+){{0,2}}\s+times?\s+(?:a|per|each|every)\s+(?:day|week|month|year)",
    rf"(?:{_N})\s*hours?\s*(?:a|per|each|every|in a)\s*(?:school|work)?\s*(?:day|night)",
    rf"(?:{_N})\s*(?:weeks|months)\s*(?:a|per|each|every|in a|of the)\s*(?:month|year)",
    rf"(?:{_N})(?:\s*|{_BETWEEN})(?:stars?|D|K|way|point|ply|speed|legged|cylinder|core)\b(?!s)",
    rf"(?:{_N}){_BETWEEN}{_BODY}\b",
    rf"(?:{_N})[A-Za-z]\w*",  # 10k, 3D, 5kg
    rf"[A-Za-z]\w*-?(?:{_N})",  # B2, U-12
    rf"(?:{_N})-(?:{_N})",  # ranges
    rf"(?:{_N})\s+(?:out of|in)\s+(?:every\s+)?(?:{_N})",
    rf"\b(?:out of|every)\s+(?:{_N})\b",
    rf"(?:{_N}){_BETWEEN}(?:degrees?|°)",
    rf"(?<=-)(?:{_N})(?=\s*(?:degrees?|°|C\b|F\b))",
)
_FIXED = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _PATTERNS)

# What words fix without saying a number, or beside saying one.
_IMPLIED = {
    r"half|halves|halved|twice|doubl\w*|couples?|pairs?|both|two|second|each other|"
    r"another|bi-?\w*ly": "2 0.5",
    r"trip\w*|thrice|thirds?|threes?|trio": "3",
    r"quarter\w*|quadrupl\w*|fourths?|four": "4 25 0.25 3",
    r"fifths?": "5 0.2",
    r"sixths?": "6",
    r"sevenths?": "7",
    r"eighths?": "8",
    r"ninths?": "9",
    r"tenths?|dimes?|decades?": "10 0.1 0.10",
    r"nickels?": "5 0.05",
    r"penn(?:y|ies)|cents?|percent\w*|meters?|centimeters?|dollars?|century": "100 0.01",
    r"dozens?|foot|feet|inch\w*": "12",
    r"minutes?|hours?|seconds?": "60 3600 24 30",
    r"days?|daily|weeks?|weekly|nights?|weekends?|weekdays?": "7 24 5 2 52 14 365",
    r"months?|monthly|years?|yearly|annual\w*": "12 52 365 30 31 4",
    r"yards?": "3 36 1760",
    r"miles?": "5280 1760",
    r"pounds?|ounces?|cups?|pints?|gallons?|quarts?": "16 2 4 8 128 32 2000 2.2",
    r"kilo\w*|liters?|millilit\w*|grams?|kg|km|ml|tons?": "1000 2000",
    r"triangl\w*": "3 180 0.5",
    r"squares?|rectang\w*|perimeter|seasons?": "4 2",
    r"angles?|degrees?|circ\w*": "90 180 360 3.14",
    r"cubes?|dice|die": "6 3",
    r"average\w*|mean": "2",
    r"decks?": "52 13 4",
    r"spiders?|octop\w*": "8",
    r"insects?|ants?|bees?|beetles?": "6",
    r"dogs?|cats?|cows?|horses?|goats?|sheep|pigs?|elephants?|rabbits?|legs?|cars?|tables?|chairs?": "4",
    r"chickens?|ducks?|birds?|humans?|people|bikes?|bicycles?|motorcycles?|eyes|ears|"
    r"hands|feet|shoes|twins": "2",
    r"triplets?|tricycles?": "3",
    r"quintupl\w*": "5",
}
_RULES = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), tuple(map(value_of, values.split())))
    for words, values in _IMPLIED.items()
)
_PERCENT = re.compile(rf"({_N})\s*(?:%|percent|per cent)", re.IGNORECASE)
_RATIO = re.compile(r"(\d[\d,]*)\s*[/:]\s*(\d[\d,]*)")


def may_vary(question: str) -> list[Numeral]:
    """The numbers of a question that nothing fixes: counts, prices, ages, distances above one."""
    covered = [found.span() for pattern in _FIXED for found in pattern.finditer(question)]
    return [
        number
        for number in numerals(question)
        if number.value > 1 and not any(start < number.end and number.start < end for start, end in covered)
    ]


def constants(question: str, solution: str) -> frozenset[Number]:
    """Values that the words of a problem bring in, whatever its numbers in digits are."""
    text = f"{question} {solution}"
    values: set[Number] = {0, 1, *words_worth(text)}
    for pattern, implied in _RULES:
        if pattern.search(text):
            values.update(implied)
    for found in _PERCENT.finditer(question):
        values.update(_of_share(Fraction(value_of(found[1])) / 100))
    for found in _RATIO.finditer(question):
        values.update(_of_ratio(value_of(found[1]), value_of(found[2])))
    return frozenset(values)


def _of_share(share: Fraction) -> set[Number]:
    values: set[Number] = {100}
    for form in (share, 1 - share, 1 + share):
        values |= {simplest(form), simplest(form * 100)}
    return values


def _of_ratio(first: Number, second: Number) -> set[Number]:
    values: set[Number] = {first, second}
    values |= {first + second, max(first, second) - min(first, second)}
    if second:
        share = Fraction(first) / second
        values |= {simplest(share), simplest(1 - share), simplest(1 + share)}
    return values
