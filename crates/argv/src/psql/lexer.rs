//! PostgreSQL's lexer, for what reaches the server with `-c` and for scripts that psql takes apart first.
//!
//! Facts: PostgreSQL's `scan.l`, and `psqlscan.l` for scripts; the two agree but for backslashes and colons. What versions or
//! settings of the server read differently is a [`Fault`]: numbers with letters behind them, strings that go on in another
//! line, `U&` strings. The gate pins `standard_conforming_strings` to on and the client's encoding to UTF-8.
//!
//! Tokens are handed on in one unmistakable spelling ([`render`]), so that no other lexer's opinion matters.

use crate::unreadable::is_deceptive;

/// Names longer than this are cut by the server, so that two spellings would be one name. In bytes.
const LONGEST_NAME: usize = 63;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Sent to the server as it is.
    Server,
    /// Read by psql: backslashes begin its own commands, colons its variables.
    Script,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes, in lower case as the server folds it.
    Word,
    /// A name in double quotes, without them.
    Quoted,
    /// A string of any kind, without quotes; escapes are left as they are.
    Text,
    /// A bit string with its letter.
    Bits,
    /// A number.
    Number,
    /// An operator, a bracket, a comma.
    Sign,
    /// The end of a statement.
    Semicolon,
    /// psql's own command: the rest of the line behind the backslash. Scripts only.
    Backslash,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub text: String,
    /// From 1.
    pub line: usize,
    /// Whether white space, or nothing, stands right behind it.
    pub spaced: bool,
}

impl Token {
    /// Whether this is the keyword `word`, in lower case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// Whether this is the sign `sign`.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// A name, quoted or not.
    pub(super) fn name(&self) -> Option<&str> {
        matches!(self.kind, Kind::Word | Kind::Quoted).then_some(self.text.as_str())
    }
}

/// What is not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub line: usize,
    /// The offending text, where it may be shown.
    pub word: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Fault {
    pub(super) fn new(line: usize, word: impl Into<String>, problem: impl Into<String>) -> Fault {
        Fault {
            line,
            word: word.into(),
            problem: problem.into(),
        }
    }
}

/// Where a text has a control character that is no white space of SQL's; from 1, in lines.
///
/// psql reads its scripts with `fgets` and takes each line for a C string, so what stands behind a zero byte, the line's end
/// with it, is gone: quotes open and close elsewhere than in the text. Nobody writes the other ones on purpose.
pub fn odd_control(text: &str) -> Option<usize> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    let at = text.find(is_odd)?;
    let before = text.get(..at).unwrap_or_default();
    Some(before.matches('\n').count().saturating_add(1))
}

/// All tokens of a text.
pub(super) fn tokens(text: &str, mode: Mode) -> Result<Vec<Token>, Fault> {
    if let Some(line) = odd_control(text) {
        return Err(Fault::new(
            line,
            "",
            "is or has a control character, which psql and the server read differently",
        ));
    }
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        mode,
    };
    let mut found: Vec<Token> = Vec::new();
    while let Some(token) = lexer.next(found.last())? {
        found.push(token);
    }
    Ok(found)
}

/// Tokens in the one spelling that every reader of PostgreSQL's dialect reads alike.
pub(super) fn render(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        if !text.is_empty() {
            text.push(' ');
        }
        match token.kind {
            Kind::Word if token.text.is_ascii() => text.push_str(&token.text),
            Kind::Word | Kind::Quoted => {
                text.push('"');
                text.push_str(&token.text.replace('"', "\"\""));
                text.push('"');
            }
            Kind::Text => {
                text.push('\'');
                text.push_str(&token.text.replace('\'', "''"));
                text.push('\'');
            }
            Kind::Bits | Kind::Number | Kind::Sign | Kind::Semicolon | Kind::Backslash => {
                text.push_str(&token.text);
            }
        }
    }
    text
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    mode: Mode,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Takes `bytes` bytes, which end at a character's end.
    fn take(&mut self, bytes: usize) -> &'t str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.line = self.line.saturating_add(taken.matches('\n').count());
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.take(end)
    }

    fn fault(&self, problem: &str) -> Fault {
        let word = self.rest().chars().take(20).take_while(|c| !c.is_whitespace());
        Fault::new(self.line, word.collect::<String>(), problem)
    }

    fn next(&mut self, before: Option<&Token>) -> Result<Option<Token>, Fault> {
        self.skip()?;
        let line = self.line;
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        let (kind, text) = match c {
            '\'' if before.is_some_and(|before| matches!(before.kind, Kind::Text | Kind::Bits)) => {
                return Err(self.fault("goes on with the string before it; write it as one string"));
            }
            '\'' => (Kind::Text, self.string(1, false)?),
            '"' => (Kind::Quoted, self.quoted()?),
            '$' => (Kind::Text, self.dollars()?),
            c if is_name_start(c) => self.word()?,
            c if c.is_ascii_digit() => (Kind::Number, self.number()?),
            '.' if self.second().is_some_and(|c| c.is_ascii_digit()) => (Kind::Number, self.number()?),
            ';' => (Kind::Semicolon, self.take(1).to_owned()),
            ',' | '(' | ')' | '[' | ']' | '.' => (Kind::Sign, self.take(1).to_owned()),
            ':' => (Kind::Sign, self.colon()?),
            '\\' if self.mode == Mode::Script => {
                self.take(1);
                (Kind::Backslash, self.take_while(|c| c != '\n').to_owned())
            }
            '\\' => {
                return Err(self.fault(
                    "is a command of psql's inside of SQL, where it is none; give it a `-c` of its own",
                ));
            }
            c if OPERATOR.contains(c) => (Kind::Sign, self.operator()),
            _ => return Err(self.fault("is nothing that SQL is made of")),
        };
        let spaced = self.peek().is_none_or(char::is_whitespace);
        Ok(Some(Token {
            kind,
            text,
            line,
            spaced,
        }))
    }

    /// White space and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if self.rest().starts_with("--") {
                self.take_while(|c| c != '\n' && c != '\r');
            } else if self.rest().starts_with("/*") {
                self.block_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn block_comment(&mut self) -> Result<(), Fault> {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth = depth.saturating_add(1);
                self.take(2);
            } else if rest.starts_with("*/") {
                depth = depth.saturating_sub(1);
                self.take(2);
                if depth == 0 {
                    return Ok(());
                }
            } else {
                let Some(c) = self.peek() else {
                    return Err(Fault::new(self.line, "/*", "begins a comment that does not end"));
                };
                self.take(c.len_utf8());
            }
        }
    }

    /// A string whose opening quote ends `opening` bytes from here.
    fn string(&mut self, opening: usize, escapes: bool) -> Result<String, Fault> {
        let line = self.line;
        self.take(opening);
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(Fault::new(line, "'", "begins a string that does not end"));
            };
            self.take(c.len_utf8());
            match c {
                '\'' if self.peek() == Some('\'') => {
                    self.take(1);
                    text.push('\'');
                }
                '\'' => return Ok(text),
                '\\' if escapes => {
                    text.push(c);
                    if let Some(next) = self.peek() {
                        self.take(next.len_utf8());
                        text.push(next);
                    }
                }
                c => text.push(c),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let line = self.line;
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(Fault::new(line, "\"", "begins a name that does not end"));
            };
            self.take(c.len_utf8());
            match c {
                '"' if self.peek() == Some('"') => {
                    self.take(1);
                    text.push('"');
                }
                '"' => break,
                c => text.push(c),
            }
        }
        if text.is_empty() {
            return Err(Fault::new(line, "\"\"", "is no name"));
        }
        name(line, text)
    }

    fn dollars(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        let behind = rest.get(1..).unwrap_or_default();
        let tag = behind
            .find(|c| !is_name_part(c) || c == '$')
            .unwrap_or(behind.len());
        let is_tag = behind.get(tag..).is_some_and(|rest| rest.starts_with('$'))
            && !behind.starts_with(|c: char| c.is_ascii_digit());
        if !is_tag {
            return Err(self.fault("is a parameter, and nothing gives it a value here"));
        }
        let length = tag.saturating_add(2);
        let delimiter = rest.get(..length).unwrap_or_default();
        let body = rest.get(length..).unwrap_or_default();
        let Some(end) = body.find(delimiter) else {
            return Err(self.fault("begins a string that does not end"));
        };
        let text = body.get(..end).unwrap_or_default().to_owned();
        self.take(length.saturating_mul(2).saturating_add(end));
        Ok(text)
    }

    fn word(&mut self) -> Result<(Kind, String), Fault> {
        let rest = self.rest().as_bytes();
        match (rest.first().map(u8::to_ascii_lowercase), rest.get(1), rest.get(2)) {
            (Some(b'e'), Some(b'\''), _) => return Ok((Kind::Text, self.string(2, true)?)),
            (Some(b'n'), Some(b'\''), _) => return Ok((Kind::Text, self.string(2, false)?)),
            (Some(letter @ (b'b' | b'x')), Some(b'\''), _) => {
                let bits = self.string(2, false)?;
                if !bits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(Fault::new(self.line, bits, "is no bit string"));
                }
                return Ok((Kind::Bits, format!("{}'{bits}'", char::from(letter))));
            }
            (Some(b'u'), Some(b'&'), Some(b'\'' | b'"')) => {
                return Err(self.fault("has Unicode escapes; write the characters themselves"));
            }
            _ => {}
        }
        let line = self.line;
        let text = self.take_while(is_name_part).to_ascii_lowercase();
        Ok((Kind::Word, name(line, text)?))
    }

    fn number(&mut self) -> Result<String, Fault> {
        let digit = |c: char| c.is_ascii_digit();
        let start = self.at;
        self.take_while(digit);
        if self.peek() == Some('.') && self.second() != Some('.') {
            self.take(1);
            self.take_while(digit);
        }
        let exponent = self.rest().strip_prefix(['e', 'E']);
        if exponent.is_some_and(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest).starts_with(digit)) {
            self.take(2);
            self.take_while(digit);
        }
        if self.peek().is_some_and(is_name_part) {
            return Err(
                self.fault("stands right behind a number, which versions of PostgreSQL read differently")
            );
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn colon(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        if rest.starts_with("::") || rest.starts_with(":=") {
            return Ok(self.take(2).to_owned());
        }
        let variable = |c: char| is_name_part(c) || matches!(c, '\'' | '"' | '{');
        if self.mode == Mode::Script && self.second().is_some_and(variable) {
            return Err(self.fault("is a variable of psql's; write its value, or a space behind the colon"));
        }
        Ok(self.take(1).to_owned())
    }

    /// The longest run of operator characters; a comment ends it, and a plus or minus at its end belongs to what follows
    /// unless the operator has a character that no number can stand beside.
    fn operator(&mut self) -> String {
        let rest = self.rest();
        let mut end = rest.find(|c| !OPERATOR.contains(c)).unwrap_or(rest.len());
        let run = rest.get(..end).unwrap_or_default();
        for comment in ["--", "/*"] {
            end = end.min(run.find(comment).unwrap_or(end));
        }
        while end > 1 {
            let run = rest.get(..end).unwrap_or_default();
            let shorter = run.get(..end.saturating_sub(1)).unwrap_or_default();
            if !run.ends_with(['+', '-'])
                || shorter.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%'])
            {
                break;
            }
            end = end.saturating_sub(1);
        }
        self.take(end).to_owned()
    }
}

const OPERATOR: &str = "~!@#^&|`?+-*/%<>=";

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '$'
}

fn name(line: usize, text: String) -> Result<String, Fault> {
    if text.len() > LONGEST_NAME {
        return Err(Fault::new(line, text, "is longer than a name can be (63 bytes)"));
    }
    if text.chars().any(is_deceptive) {
        return Err(Fault::new(line, text, "has characters that hide what it says"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, mode: Mode) -> Result<String, Fault> {
        tokens(text, mode).map(|tokens| render(&tokens))
    }

    #[test]
    fn what_postgres_skips_is_skipped_and_what_it_keeps_is_kept() {
        for (typed, expected) in [
            ("SELECT 1--x\n+2", "select 1 + 2"),
            ("SELECT 1--x\r+2", "select 1 + 2"),
            ("a/* /* */ b */c", "a c"),
            ("a/**/b", "a b"),
            ("'a''b'", "'a''b'"),
            ("E'a\\'b'", "'a\\''b'"),
            ("e'\\\\'", "'\\\\'"),
            ("'\\'", "'\\'"),
            ("$$;'--$$", "';''--'"),
            ("$a$ $b$ $a$", "' $b$ '"),
            ("a$b$c", "a$b$c"),
            ("\"A\"\"b\"", "\"A\"\"b\""),
            ("X'1F' b'01'", "x'1F' b'01'"),
            ("1.5e-3 .5 1..2", "1.5e-3 .5 1 . .2"),
            ("1-+2", "1 - + 2"),
            ("a @- b", "a @- b"),
            ("a *-b", "a * - b"),
            ("a+/**/b", "a + b"),
            ("a @--x\nb", "a @ b"),
            ("x::int", "x :: int"),
            ("größe", "\"größe\""),
        ] {
            assert_eq!(texts(typed, Mode::Server).unwrap(), expected, "{typed}");
        }
    }

    #[test]
    fn what_versions_or_settings_read_differently_is_a_fault() {
        for typed in [
            "'a'\n'b'",
            "'a' --x\n'b'",
            "U&'x'",
            "u&\"x\"",
            "1from",
            "0x1F",
            "1_000",
            "$1",
            "'a",
            "\"a",
            "/* /* */",
            "$x$ $",
            "\"\"",
            "a\u{200b}b",
            "\\! id",
            "{",
            "a\u{b}b",
            "select '\0'",
            "select '\u{1}'",
            "select $$\u{7f}$$",
            "select 1 --\u{1b}",
            "select /*\u{85}*/ 1",
        ] {
            assert!(texts(typed, Mode::Server).is_err(), "{typed}");
        }
        let long = "a".repeat(64);
        assert!(texts(&long, Mode::Server).is_err());
        for typed in [
            "select :x",
            "select :'x'",
            "select :\"x\"",
            "select :{?x}",
            "a[1:2]",
        ] {
            assert!(texts(typed, Mode::Script).is_err(), "{typed}");
        }
        assert!(texts("a[1: 2]", Mode::Script).is_ok());
        assert!(texts("x::int", Mode::Script).is_ok());
    }
}
