//! Statements about the session: settings, and the modes of transactions.

use super::lexer::{Fault, Token};
use super::settings;
use super::sql::{Act, Found, suspects};
use crate::{Effect, Hazard};

pub(super) fn show(tokens: &[Token], found: &mut Found) -> Result<(), Fault> {
    let words: Option<Vec<&str>> = tokens
        .iter()
        .map(|token| token.name().or((token.text == ".").then_some(".")))
        .collect();
    let Some(name) = words
        .filter(|words| !words.is_empty())
        .map(|words| words.join(""))
    else {
        let at = tokens.iter().find(|token| token.name().is_none());
        return Err(Fault::new(
            at.map_or(1, |token| token.line),
            at.map_or("show", |token| token.text.as_str()),
            "is not a setting that could be shown",
        ));
    };
    if !settings::is_public(&name) {
        found.hazard(
            Hazard::RevealsCredentials,
            format!("`{name}` may hold a password"),
        );
    }
    found.act(Act::new(Effect::Read, "show").on("setting", Some(name)));
    Ok(())
}

pub(super) fn set(tokens: &[Token], found: &mut Found) -> Result<(), Fault> {
    let mut rest = tokens;
    if let [word, behind @ ..] = rest
        && (word.is("session") || word.is("local"))
        && !behind
            .first()
            .is_some_and(|next| ["=", "to"].contains(&next.text.as_str()))
    {
        rest = behind;
    }
    match rest {
        [transaction, modes @ ..] if transaction.is("transaction") => {
            found.act(Act::new(Effect::Read, "set transaction"));
            self::modes(modes, found)
        }
        [characteristics, _, _, modes @ ..] if characteristics.is("characteristics") => {
            found.act(Act::new(Effect::Read, "set transaction"));
            self::modes(modes, found)
        }
        [time, zone, ..] if time.is("time") && zone.is("zone") => {
            change_setting("set", "timezone", found);
            Ok(())
        }
        [constraints, ..] if constraints.is("constraints") => {
            found.act(Act::new(Effect::Read, "set constraints"));
            Ok(())
        }
        [authorization, ..] if authorization.is("authorization") => {
            change_setting("set", "session_authorization", found);
            Ok(())
        }
        [name, to, ..] if name.name().is_some() && (to.is("to") || to.is_sign("=")) => {
            // The server knows a setting by its name in any case, quoted or not.
            change_setting("set", &name.text.to_ascii_lowercase(), found);
            suspects(rest, &[], found);
            Ok(())
        }
        [name, ..] if name.name().is_some() => {
            // `set role x`, `set names x`, `set schema x`, `set a.b = c`.
            change_setting("set", &name.text.to_ascii_lowercase(), found);
            if settings::is_harmless(&name.text) {
                return Err(Fault::new(
                    name.line,
                    &name.text,
                    "is set in a way that is not understood",
                ));
            }
            Ok(())
        }
        _ => Err(Fault::new(
            tokens.first().map_or(1, |token| token.line),
            "set",
            "does not say which setting",
        )),
    }
}

pub(super) fn change_setting(verb: &str, name: &str, found: &mut Found) {
    let is_harmless = settings::is_harmless(name);
    let effect = if is_harmless { Effect::Read } else { Effect::Write };
    if !is_harmless {
        found.hazard(
            Hazard::SkipsChecks,
            format!("`{verb} {name}` may change who asks, what may be written, or what names mean"),
        );
    }
    found.act(Act::new(effect, verb).on("setting", Some(name.to_owned())));
}

/// The modes of a transaction. Only a person takes back that it is read-only.
pub(super) fn modes(tokens: &[Token], found: &mut Found) -> Result<(), Fault> {
    const KNOWN: &[&str] = &[
        "work",
        "transaction",
        "isolation",
        "level",
        "serializable",
        "repeatable",
        "read",
        "committed",
        "uncommitted",
        "only",
        "write",
        "not",
        "deferrable",
    ];
    for token in tokens {
        if token.is("write") || token.is("snapshot") {
            found.act(Act::new(Effect::Write, "set transaction"));
            found.hazard(Hazard::SkipsChecks, "the transaction is made to allow writing");
        }
        if token.is("snapshot") {
            return Ok(());
        }
        if !token.is_sign(",") && !KNOWN.iter().any(|word| token.is(word)) {
            return Err(Fault::new(token.line, &token.text, "is no mode of a transaction"));
        }
    }
    Ok(())
}
