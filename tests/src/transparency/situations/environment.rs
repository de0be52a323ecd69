//! Variables, names and words. `STRICT` has the comparison look at the order too.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(ENVIRONMENT)
}

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "in order",
        "with environment=STRICT=1,Z=1,PATH=$PATH,B=2,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,A=3,M= -- K see",
    ),
    (
        "named twice",
        "with environment=STRICT=1,PATH=$PATH,A=first,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,A=second -- K see",
    ),
    (
        "without a value",
        "with environment=STRICT=1,PATH=$PATH,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,E=,=odd,nothing -- K see",
    ),
    (
        "not text",
        "with 'environment=STRICT=1,A=\\xff\\xfe,B\\xc3=1,PATH='$PATH,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR -- K see",
    ),
    (
        "empty",
        "env -i $(type -P kubectl) get pods | sed 's/\"arguments\":\\[\"[^\"]*\"/\"arguments\":[\"(path)\"/; s/\"HOME=[^\"]*\",*//; s/\"PATH=[^\"]*\",*//; s/\"TMPDIR=[^\"]*\",*//; s/\"XDG[^\"]*\",*//g'",
    ),
    ("no locale", "unset LANG LC_ALL; K see"),
    ("the locale C", "LC_ALL=C K see"),
    (
        "a locale that is not there",
        "LC_ALL=xx_YY.UTF-8 LANGUAGE=xx K see",
    ),
    (
        "a time zone, colours, a width",
        "TZ=Asia/Tokyo COLUMNS=33 LINES=7 NO_COLOR=1 CLICOLOR_FORCE=1 TERM=xterm-256color K see",
    ),
    (
        "a function",
        "f() { :; }; export -f f; K see | sed 's/\"BASH_FUNC[^\"]*\",*//'",
    ),
    (
        "a long value",
        "A=$(head -c 130000 /dev/zero | tr '\\0' a) K digest </dev/null; echo $?",
    ),
    (
        "much",
        "for i in $(seq 1500); do printf -v V$i %0900d $i; export V$i; done; K digest </dev/null; echo $?",
    ),
    (
        "a long word",
        "K words -l a=$(head -c 130000 /dev/zero | tr '\\0' a)",
    ),
    (
        "many words",
        "K words $(for i in $(seq 900); do printf 'p%0240d ' $i; done)",
    ),
    ("an empty word", "K see -l ''"),
    (
        "words with everything in them",
        "K see -l $'a in (b,c)' -o 'jsonpath={.items[*]}\"\\n\\t$x `y` \u{e9}\u{1f600}'",
    ),
];
