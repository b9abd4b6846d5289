"""What is nobody else's business: personal words are kept out of what an organisation knows.

It leaves out too much rather than too little: a fact that is lost can be added by hand, what was told cannot be taken
back. So whatever somebody says of themselves, of a he or she, of somebody by name, or of these days, is left out,
whatever it is about; words that people's lives share with things ("sick notes", "the wedding list") are left out where
they are not evidently used of things. It knows English, and some German. How well, the labelled notes of
``tests/eval`` say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from processors.redaction import REDACTED, redact
from watcher.knowledge.notes.first_names import named
from watcher.knowledge.notes.work_filter import is_of_things

_MY = r"\b(?:my|his|her|mein\w*) (?:\w+ )?"
_FORMS = [
    # Who says I, or speaks of a single person, tells of people; not the pronoun of a path (/me), nor Type I, nor I/O.
    r"(?-i:(?<![\w/.-])(?<!Type )(?<!Part )(?<!Phase )(?<!Class )(?<!Tier )(?<!Level )I(?=['\s,]))",
    r"(?<![\w/.$@-])(?:i(?='m\b|'ve\b|'ll\b|'d\b| am\b| have\b| need\b| like\b)|my|mine|myself|me)(?![\w/.(-])",
    r"\b(?:ich|mir|mich|mein(?:e[mnrs]?)?)\b",
    r"(?<![\w/.-])(?:he|she|him|his|hers?|himself|herself)(?![\w/-])",
    # Who leaves out the I.
    (
        r"^\W*(?:got|need to|have to|had to|haven't|has been|feeling|worked|working|sick(?! (?:days?|notes?|leave)\b)"
        r"|ill|tired|away|off|been|met)\b"
    ),
    r"^\W*(?:prefers?|want to|wants|can't|cannot|could not|didn't|don't like|going to|will be|trying|like to)\b",
    r"^\W*(?:hates?|loves?|dislikes?|likes|enjoys?|wish|hope|remind|moved|living|lives|born|owe|owes)\b",
    # What is said of these days is no rule.
    r"\b(?:today|tonight|tomorrow|yesterday|these days|heute|morgen|gestern|diese woche|nächste woche)\b",
    r"\b(?:this|next|last) (?:week|weekend|month|morning|evening|spring|summer|autumn|fall|winter|year|time)\b(?!'s)",
    r"\b(?:am|on the) \d{1,2}(?:st|nd|rd|th|\.)(?=\W*$|,)|\b(?:again|still) (?:this|today)\b",
    # Ways to reach somebody, and where they live.
    r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}",
    r"(?<![\w.:/-])(?:\+\d{1,3}[ .-]?|\(\d{2,5}\)[ .-]?|0\d{2,5}[ /-])\d[\d .()/-]{5,16}\d\b",
    r"\b\d{3}[-.]\d{3}[-.]\d{4}\b",
    r"\b\d{1,5}[a-z]? (?:[a-z][\w.'-]{0,30} ){1,3}(?:street|road|avenue|lane|drive|boulevard)\b",
    r"\b[\w-]{2,40}(?:straße|strasse|gasse|allee)\.? \d{1,4}\b",
    _MY + r"(?:address|phone|mobile|telephone|e-?mail|adresse|telefon\w*|number is)\b",
    r"\b(?:i|we) live (?:in|at|on|near)\b|\bich wohne\b|\bhome address\b(?! (?:lines?|fields?|forms?) )",
    # Who they are, by numbers.
    r"(?-i:\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b)",
    r"\b(?:\d[ -]?){13,19}\b|\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:passport|social security|ssn|tax id|steuer-?id|birthday (?:is|on)|\w's birthday|geburtstag\w*)\b",
    r"\b(?:date of birth|dob):? ?\d|\b(?:born|geboren) (?:\w+ )?(?:\d|in\b|on\b|am\b)",
    _MY + r"(?:wife|husband|spouse|partner|fianc\w+|girlfriend|boyfriend|son|daughter|kids?|child(?:ren)?|baby)\b",
    _MY + r"(?:mother|father|mom|mum|dad|parents?|sister|brother|family|aunt|uncle|grand\w+|cousin|ex)\b",
    _MY + r"(?:frau|mann|tochter|sohn|kinder|mutter|vater|familie)\b",
    r"\b(?:in a coma|had a stroke|heart attack|mental health|\w+'s (?:drinking|health|illness|surgery|funeral))\b",
    r"(?-i:\b[A-Z][a-z]+ drinks\b)|\b(?:knee|hip|heart|back|eye) (?:operation|surgery|problems?)\b",
    _MY + r"(?:doctor|health|pain|illness|symptoms?|insurance|diagnosis|prescription)\b",
    r"\b(?:i am|i'm|he is|she is|he's|she's) (?:ill|sick)\b",
    (
        r"\b(?:c(?:o)?eliac|lactose|penicillin|gluten[- ]free|to pump|breast-?feed\w*)\b|^\W*(?:vegan"
        r"|vegetarian)\b(?! (?:is|are)\b)"
    ),
    r"\b(?:drug|drinking|gambling|alcohol|weight) problems?\b|\b(?:are a couple|in love|gamer ?tag)\b",
    # People at work, and what they are like.
    (
        r"\bhead of (?:sales|marketing|product|hr|it|finance)\b|\b(?:talks?|speaks?|yells?|lies?) (?:to|at) (?:us"
        r"|everyone)\b"
    ),
    r"\bthe new (?:designer|developer|hire|guy|girl|lead|manager|boss|director|architect|pm|po|vp|cto|ceo)\b",
    r"\b(?:people|someone|somebody) (?:on|in) the \w+ team\b|\b(?:because of|as) a favou?r\b|\bowes? us\b",
    # Money of their own.
    _MY + r"(?:salar(?:y|ies)|wages?|pay|pay ?(?:check|slip)|bonus|raise|income|compensation|mortgage|loan|debts?)\b",
    _MY + r"(?:rent|savings|bank account|gehalt|miete)\b|\b\w+'s (?:salary|wage|bonus|pay|raise|gehalt)\b",
    r"\b(?:salary|wage|gehalt) (?:is|of|was|expectation\w*|review|negotiation\w*)\b|\bearns? \W?\d",
    r"\b(?:salary bands?|payday|stock options|paid by the hour|pay rise|pay cut|day rate is)\b",
    # Their work and its end.
    r"\b(?:written warning|got fired|(?:being|be|get|gets) (?:fired|let go)|laid off|lay-?offs?|gave notice)\b",
    r"\b(?:promotion of|passed over for|performance (?:rating|improvement plan)|job offer|another job|new job)\b",
    r"\b(?:kündigung|gekündigt|abmahnung|(?:has|have) resigned|is leaving (?:in|us)|contract ends)\b",
    r"\bwill not be renewed\b|\bjob[- ]?hunt\w*\b|\brecruiters?\b|\bfired (?:from|last|in)\b|\bvesting\b",
    (
        r"\b(?:bonus pool|salaries of|hand(?:s|ed|ing)? in (?:his|her|their) notice|notice period of"
        r"|leaves? the company)\b"
    ),
    r"\b(?:performance plan|copy hr|copying hr|union will|headcount|reorg|severance|bonus of|\d+ an hour)\b",
    r"\b(?:works council|union member|betriebsrat|side project of|nebenprojekt|nebenjob)\b|\bside (?:gig|hustle|job)\b",
    # What opens something.
    _MY + r"(?:password|passwort|passphrase|pin|login|credentials?|recovery codes?|2fa|key|token)\b",
    r"\b(?:password|passwort|passwd|passphrase|kennwort|pin(?: code)?) ?(?:is|ist|:|=)",
    r"\b(?:passwort|kennwort|pwd?|passwd)\b[^.]{0,40}[:=] ?\S|\bpwd? \S{5,}",
    r"\bpassword (?=\S*[a-z])(?=\S*\d)\S{6,}|\b(?:root|admin\w*|user\w*) / \S",
    r"\bpins? \d{3,}|\b(?:account|konto)(?: number|nummer)?:? \d{5,}|\bunseal key \d|\bcodes? (?:is|are|:) (?:\w+ )?\d",
    r"\b(?:backup|recovery|2fa|unlock) codes?\b.*\d",
    r"\bcv[cv]2? ?:?\d|\bpassphrase \w",
    r"\b(?:alarm|door|gate|entry|lock|safe|locker)[ -]?code\b|\blicen[sc]e key\b|\bspare key\b|\bmaster key is\b",
    (
        r"\b(?:root|admin) is (?:on|under|still|the)\b|\bsticker\b|\b(?:under|behind) the (?:keyboard|desk|screen|shelf"
        r"|pot|mat)\b"
    ),
    # Moods, and what they think of each other.
    r"\bi(?:'m| am| feel| felt)(?: \w+)? (?:tired|exhausted|sad|angry|lonely|stressed|overwhelmed|afraid|scared)\b",
    r"\bi(?:'m| am| feel| felt)(?: \w+)? (?:unhappy|frustrated|annoyed|nervous|worried|bored|miserable|down|happy)\b",
    r"\bi (?:hate|despise|can't stand|want to quit|plan to quit|am going to resign)\b|\bjob interview\b",
    r"\b(?:is|are|was|ist) (?:\w+ )?(?:lazy|useless|worthless|incompetent|stupid|an? idiot|moody|rude|toxic)\b",
    r"\bgossip\b|\b(?:not|never) (?:talk|speak) to each other\b|\bhas (?:an affair|a temper|a crush)\b",
    _MY + r"(?:mood|feelings?|diary|crush)\b",
    # Days of their own.
    _MY + r"(?:appointments?|vacation|holidays?|day off|flight|gym|yoga|date)\b",
    r"\b(?:i am|i'm|i'll be|i will be) (?:\w+ )?(?:away|off|on leave|on vacation|on holiday|out of office)\b",
    r"\b(?:pick up (?:the|my) kids?|parent[- ]teacher)\b",
    (
        r"\boff the table\b|\b(?:\w+days?|mornings?|afternoons?|lunch) (?:is|are) (?:bad|hard|sacred|mine|blocked|holy"
        r"|difficult)\b"
    ),
    # What is not to be told.
    r"\b(?:strictly|highly|streng|company) (?:confidential|vertraulich)|\bconfidential\W*(?::|$)|\bvertraulich\b",
    r"\b(?:under|an|the|our) nda\b|\bembargo(?:ed)? until\b|\bembargoed\b|\boff the record\b",
    r"\bbetween (?:us|you and)\b(?=[,:]|$)|\bunter uns\b",
    r"\b(?:do not|don't|never) (?:share|tell|mention|forward)(?: (?:it|this|that|anyone|anybody|outside)\b|\W*$)",
    (
        r"\btell (?:nobody|no one)\b|\bnot (?:yet )?(?:public|announced|official)(?: yet)\b|\bnot yet (?:public"
        r"|announced|official)\b"
    ),
    r"\bkeep (?:quiet|silent|mum|safe)\b|\b(?:not|n't) (?:yet )?told\b|\bsurprise\b\W*$",
    r"\bnobody (?:knows|may know|should know|is supposed to know|else knows)\b|\bfor your eyes only\b",
    r"\bkeep (?:it|this|that) (?:out of|quiet|secret|safe|between|to (?:yourself|ourselves))\b",
    r"\bnichts (?:davon )?wissen\b|\bnobody (?:at work|here|in the team) (?:knows|needs to know|may know)\b",
    r"\b(?:do not|don't|never) (?:put|write) (?:it|that|this) (?:in writing|down|anywhere)\b",
    r"\bkeep (?:them|these two) (?:apart|in different|away)\b",
    r"\b(?:being|be) acquired by\b|\b(?:our|the) (?:acquisition|takeover|merger) (?:of|by|with)\b",
    r"\b(?:law-?suit|settlement with|out of court)\b|\bwithout (?:having told|telling) (?:hr|anyone|anybody|the)\b",
]
# Words of people's lives, which things are named after as well.
_TOPICS = [
    # Family and friends.
    r"\b(?:divorce\w*|wedding|pregnan\w*|kindergarten|day-?care|babysitter|maternity|paternity|school run)\b",
    r"\b(?:parental leave|elternzeit|mutterschutz|schwanger|single (?:parent|mother|father|mom|mum|dad))\b",
    r"\b(?:wife|husband|girlfriend|boyfriend|nephew|niece|marriage|baby|babies|grandm\w+|grandpa|oma|opa)\b",
    r"\b(?:scheidung\w*|verheiratet|ehefrau|ehemann|honeymoon|the funeral)\b",
    r"\b(?:alleinerziehend|newborn|kids|toddler|widow(?:ed|er)?|engaged to)\b",
    # People whom one knows.
    r"\b(?:brother|sister|mother|father|mum|uncle|aunt|cousin|friends?|neighbou?r|colleague|intern|boss|ceo|cfo|cto)\b",
    r"\b(?:lady|landlord|(?:small|little|two|three) children|breakup)\b",
    # Health.
    r"\b(?:therap(?:y|ist)|psychiatr\w*|psycholog\w*|diagnosed with|medication\w*|surgery|dentist\w*|zahnarzt\w*)\b",
    r"\b(?:in|to|from|at) (?:the )?hospital\b(?! (?:\w+s|tenant|system|service|api)\b)",
    r"\b(?:migraine\w*|allergic|allerg(?:y|ies)|diabet\w*|asthma|cancer|adhd|autis\w*|burn-?out)\b",
    r"\b(?:is|am|are|was|gets?|feels?|felt|'m) depressed\b|\bdepression\b|\b(?:therapie|reha|adhs)\b",
    r"\b(?:chemo\w*|sclerosis|bipolar|dyslexi\w*|colou?r[- ]blind\w*|physio\w*|panic attacks?|hiv|epilep\w*)\b",
    r"\b(?:insulin|miscarriage|ivf|rehab|alcoholi\w*|addict(?:ed|ion)|handicapped|wheelchair|insomnia|grieving)\b",
    r"\b(?:suicid\w*|selbstmord|(?:bad|broken) (?:leg|arm|back|knee|foot)|stress from|smells? of|gewicht heute)\b",
    (
        r"\b(?:sober|broke up|teething|twins|school pick-?up|treatments?|custody|meditation|passed away|naps?|hungry"
        r"|alcohol)\b"
    ),
    (
        r"\b(?:slept|sleepless|hangover|hungover|teary|grumpy|cries|crying|in tears|fasting|infusions?|concussion"
        r"|hormones)\b"
    ),
    r"\b(?:dinner with|birthdays?|cake|adoption|probation|retention shares|pension|visa|gym|choir|football|a mug)\b",
    r"\b(?:the (?:guy|girl|woman|man) (?:from|in|at|on)|half of them|they told (?:us|them|everyone)|a fraud)\b",
    r"^\W*health\W*$|\b(?:anxiety|disabilit\w*|sick leave|sick note|krank\w*|arzt|arzttermin)\b",
    # What they believe, are and love.
    r"\b(?:ramadan|prays?|church|mosque|synagogue|bar mitzvah|islam|pork|atheist|converted to)\b",
    r"\b(?:came out as|gay|lesbian|bisexual|transgender)\b",
    r"\b(?:pronouns are|immigrant|undocumented|trans (?:colleague|woman|man)|green card|visa interview)\b",
    r"\b(?:asylum|refugee status|dating|flirt\w*)\b",
]
# What stands under such a heading is personal, whatever it says.
_HEADING = re.compile(
    r"^(?:home|private|people|life|travel|trip|todo)\W*$"
    r"|\b(?:personal|family|diary|journal|birthdays?|passwords?|logins?|contacts?)\W*$|\bpersonal\b"
    r"|\b(?:my|me|gossip|hr|salar(?:y|ies)|1:1s?|1-on-1s?|one[- ]on[- ]ones?|feelings|moods?)\b"
    r"|\b(?:quirks?|colleagues?|doctors?)\b"
    r"|\bprivate?s?(?: (?:notes?|stuff|things|life))?\W*$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
# Numbers that everybody may call.
_PUBLIC_NUMBER = re.compile(
    r"(?i)\b((?:hot-?line|help ?desk|switchboard|support line)(?: is| at|:)?) [+\d][\d .()/-]{5,20}\d\b"
)
_TYPOGRAPHIC = str.maketrans("\u2019\u2018\u2010\u2011\u2013", "''---")


def is_personal(texts: Iterable[str], headings: Iterable[str] = (), labels: Iterable[str] = ()) -> bool:
    """Whether any of these texts tells of somebody's own life, or stands under a heading that says so.

    ``labels`` name what the texts say: a title, things.
    """
    plain, above, names = (_plainly(some) for some in (texts, headings, labels))
    if any(_personal().search(one) or named(one) for one in (*plain, *above, *names)):
        return True
    if any(map(_HEADING.search, above)):
        return True
    if any(
        _topics().search(part) and not is_of_things(part, _topics()) for one in plain for part in _SENTENCE.split(one)
    ):
        return True
    # A word alone says nothing of what is meant; the text does.
    return any(map(_topics().search, (*above, *names))) and not all(is_of_things(one, _topics()) for one in plain)


def _plainly(texts: Iterable[str]) -> list[str]:
    return [_PUBLIC_NUMBER.sub(r"\1", one.translate(_TYPOGRAPHIC)) for one in texts]


def holds_secret(texts: Iterable[str]) -> bool:
    """Whether any of these texts holds a secret, or the mark where one was."""
    return any(REDACTED in redact(one)[0] for one in texts)


@cache
def _topics() -> re.Pattern[str]:
    return re.compile("|".join(_TOPICS), re.IGNORECASE)


@cache
def _personal() -> re.Pattern[str]:
    return re.compile("|".join(_FORMS), re.IGNORECASE)
