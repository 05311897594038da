//! The face of an adapter that decorators share.

/// Makes a decorator an adapter: each call that acts or lists passes through a macro, which gets it as an expression;
/// looking is the decorator's own `look`.
macro_rules! decorate {
    ($decorator:ty, $inner:tt, $through:ident) => {
        #[async_trait::async_trait]
        impl DynAdapter for $decorator {
            fn kind(&self) -> Kind {
                self.$inner.kind()
            }

            fn capability(&self) -> Capability {
                self.$inner.capability()
            }

            fn schema(&self) -> schemars::Schema {
                self.$inner.schema()
            }

            fn validate(&self, spec: &Json) -> Result<()> {
                self.$inner.validate(spec)
            }
            fn notes(&self, spec: &Json) -> Result<Vec<String>> {
                self.$inner.notes(spec)
            }

            fn id(&self, state: &AnyState) -> ExternalId {
                self.$inner.id(state)
            }

            fn owner(&self, state: &AnyState) -> Option<Owner> {
                self.$inner.owner(state)
            }

            fn phase(&self, state: &AnyState) -> Phase {
                self.$inner.phase(state)
            }

            fn drift(&self, spec: &Json, state: &AnyState) -> Result<Drift> {
                self.$inner.drift(spec, state)
            }

            fn bindings(&self, claim: &Claim, state: &AnyState) -> Bindings {
                self.$inner.bindings(claim, state)
            }

            fn login(&self, identity: &Identity, account: &str) -> String {
                self.$inner.login(identity, account)
            }

            fn grants(&self, access: $crate::Access) -> Result<$crate::Access> {
                self.$inner.grants(access)
            }

            async fn observe(&self, claims: &[Claim]) -> Vec<Result<Sighting<AnyState>>> {
                self.look(claims).await
            }

            async fn create(&self, claim: &Claim, spec: &Json) -> Result<Created> {
                $through!(self, self.$inner.create(claim, spec))
            }

            async fn update(&self, claim: &Claim, state: &AnyState, spec: &Json, drift: &Drift) -> Result<Receipt> {
                $through!(self, self.$inner.update(claim, state, spec, drift))
            }

            async fn delete(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.delete(claim, state))
            }

            async fn park(&self, claim: &Claim, state: &AnyState, until: &str, backup: bool) -> Result<Receipt> {
                $through!(self, self.$inner.park(claim, state, until, backup))
            }

            async fn unpark(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.unpark(claim, state))
            }

            async fn adopt(&self, claim: &Claim, state: &AnyState) -> Result<Receipt> {
                $through!(self, self.$inner.adopt(claim, state))
            }

            async fn ensure_account(&self, claim: &Claim, state: &AnyState, account: &Account) -> Result<Receipt> {
                $through!(self, self.$inner.ensure_account(claim, state, account))
            }

            async fn drop_account(&self, claim: &Claim, state: &AnyState, name: &str) -> Result<Receipt> {
                $through!(self, self.$inner.drop_account(claim, state, name))
            }

            async fn inventory(&self, cluster: &ClusterId) -> Result<Vec<Owned>> {
                $through!(self, self.$inner.inventory(cluster))
            }
        }
    };
}

pub(super) use decorate;
