//! The statements that change what is remembered of a resource. They are where two writers meet: each undoes nothing
//! that the other may have written since.

/// Binds the columns of a record, in the order of [`PUT`] and [`CREATING`].
macro_rules! bind_record {
    ($statement:expr, $record:ident) => {{
        let (owner, memory) = (&$record.owner, &$record.memory);
        sqlx::query($statement)
            .bind(owner.identity.as_str())
            .bind(owner.cluster.as_str())
            .bind(&owner.key.namespace)
            .bind(&owner.key.application)
            .bind(&owner.key.component)
            .bind(&owner.key.name)
            .bind($record.kind.as_str())
            .bind(&$record.provider)
            .bind(&$record.environment)
            .bind(&$record.name)
            .bind($record.existing)
            .bind($record.standing.as_str())
            .bind($record.reason.as_deref())
            .bind($record.keep_until.map($crate::ledger::rows::text))
            .bind($record.endpoint.as_deref())
            .bind(i64::from(memory.incarnation))
            .bind(memory.external_id.as_ref().map(mooring_provider::ExternalId::as_str))
            .bind(memory.was_ready)
            .bind(memory.missing_since.map($crate::ledger::rows::text))
            .bind(memory.applied.as_ref().map(ToString::to_string))
            .bind(i64::from($record.sightings))
            .bind(
                ($record.standing == $crate::ledger::Standing::Gone)
                    .then(|| $crate::ledger::rows::text(jiff::Timestamp::now())),
            )
    }};
}

pub(super) use bind_record;

/// Writes a record, whole, and undoes nothing.
pub(super) const PUT: &str = "
    INSERT INTO resources (identity, cluster, namespace, application, component, name, kind, provider, environment,
        external_name, existing, standing, reason, keep_until, endpoint, incarnation, external_id, was_ready,
        missing_since, applied, sightings, gone_since)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
    ON CONFLICT (identity) DO UPDATE SET
        cluster = excluded.cluster, namespace = excluded.namespace, application = excluded.application,
        component = excluded.component, name = excluded.name, kind = excluded.kind, provider = excluded.provider,
        environment = excluded.environment, external_name = excluded.external_name, existing = excluded.existing,
        standing = excluded.standing, reason = excluded.reason, keep_until = excluded.keep_until,
        endpoint = excluded.endpoint, incarnation = excluded.incarnation,
        external_id = CASE WHEN resources.incarnation = excluded.incarnation
            THEN COALESCE(excluded.external_id, resources.external_id) ELSE excluded.external_id END,
        was_ready = excluded.was_ready OR (resources.was_ready AND resources.incarnation = excluded.incarnation
            AND resources.standing <> 'deleting'),
        missing_since = CASE WHEN resources.sightings = excluded.sightings OR excluded.missing_since IS NULL
            THEN excluded.missing_since ELSE resources.missing_since END,
        sightings = CASE WHEN excluded.missing_since IS NULL AND resources.missing_since IS NOT NULL
            THEN resources.sightings + 1 ELSE resources.sightings END,
        applied = excluded.applied,
        gone_since = CASE WHEN excluded.standing = 'gone' THEN COALESCE(resources.gone_since, excluded.gone_since) END
    WHERE resources.incarnation <= excluded.incarnation";

/// The compare-and-swap. Both databases lock the row before they judge the condition, so that the second of two
/// callers sees the first one's intent, and whoever missed what another has seen since does not replace it. What is
/// inserted has the intent's incarnation, see [`Memory::begun`](super::Memory::begun).
pub(super) const CREATING: &str = "
    INSERT INTO resources (identity, cluster, namespace, application, component, name, kind, provider, environment,
        external_name, existing, standing, reason, keep_until, endpoint, incarnation, external_id, was_ready,
        missing_since, applied, sightings, gone_since, intent_incarnation, intent_spec_hash, intent_since)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25)
    ON CONFLICT (identity) DO UPDATE SET
        standing = CASE WHEN resources.standing = 'gone' THEN excluded.standing ELSE resources.standing END,
        gone_since = NULL, external_id = NULL, was_ready = FALSE, missing_since = NULL,
        applied = CASE WHEN resources.incarnation = excluded.incarnation THEN resources.applied END,
        incarnation = excluded.incarnation, intent_incarnation = excluded.intent_incarnation,
        intent_spec_hash = excluded.intent_spec_hash, intent_since = excluded.intent_since
    WHERE (resources.intent_since IS NULL OR resources.intent_since < $26)
        AND (resources.external_id IS NULL
            OR (resources.missing_since IS NOT NULL AND resources.sightings = excluded.sightings))
        AND (resources.incarnation < excluded.incarnation
            OR (resources.incarnation = excluded.incarnation
                AND resources.external_id IS NULL AND NOT resources.was_ready))
    RETURNING identity";

/// An intent came to nothing.
pub(super) const FAILED: &str = "
    UPDATE resources SET intent_incarnation = NULL, intent_spec_hash = NULL, intent_since = NULL
    WHERE identity = $1 AND intent_incarnation = $2 AND intent_since = $3";

/// An intent came to something.
pub(super) const MADE: &str = "
    UPDATE resources SET
        external_id = $3,
        was_ready = was_ready AND incarnation = $2,
        missing_since = NULL,
        sightings = CASE WHEN missing_since IS NULL THEN sightings ELSE sightings + 1 END,
        applied = CASE WHEN incarnation = $2 THEN applied END,
        incarnation = $2, intent_incarnation = NULL, intent_spec_hash = NULL, intent_since = NULL
    WHERE identity = $1 AND incarnation <= $2";
