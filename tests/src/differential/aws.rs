use super::*;
pub(super) struct Aws;
impl Aws { pub(super) fn start() -> Aws { Aws } }
impl Subject for Aws {
    fn tool(&self) -> Tool { Tool::Aws }
    fn line(&mut self, _: &mut fastrand::Rng) -> Vec<String> { vec![] }
    fn observe(&mut self, _: &[String]) -> Observed { Observed::default() }
    fn surroundings(&self) -> Surroundings { Surroundings::default() }
    fn is_named(&self, _: &Sent, _: &Invocation) -> Result<(), String> { Ok(()) }
}
