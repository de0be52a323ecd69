use super::*;
pub(super) struct Gh;
impl Gh { pub(super) fn start() -> Gh { Gh } }
impl Subject for Gh {
    fn tool(&self) -> Tool { Tool::Gh }
    fn line(&mut self, _: &mut fastrand::Rng) -> Vec<String> { vec![] }
    fn observe(&mut self, _: &[String]) -> Observed { Observed::default() }
    fn surroundings(&self) -> Surroundings { Surroundings::default() }
    fn is_named(&self, _: &Sent, _: &Invocation) -> Result<(), String> { Ok(()) }
}
