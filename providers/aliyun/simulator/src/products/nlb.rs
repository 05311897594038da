use crate::{context::Context, refusal::Answer};
pub(crate) fn call(_: &mut Context<'_>) -> Option<Answer> {
    None
}
