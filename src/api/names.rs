//! Names that are written into clusters: labels, annotations, finalizers, field managers. Changing one orphans what
//! carries it.

/// The group of our own kinds.
pub const GROUP: &str = "mooring.dev";

/// Label on what we make: the Application it is for.
pub const APPLICATION: &str = "mooring.dev/application";
/// Label on what we make: the component it is for.
pub const COMPONENT: &str = "mooring.dev/component";
/// Label on what we make: the name of the trait it is for.
pub const TRAIT: &str = "mooring.dev/trait";
/// Label on a CloudResource: its kind, `rds` or `bind`.
pub const KIND: &str = "mooring.dev/kind";
/// Label on what we make and may therefore change: `mooring`.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGED_BY_US: &str = "mooring";

/// Label on an Application, or on its namespace: the Environment it is for.
pub const ENVIRONMENT: &str = "mooring.dev/environment";
/// Annotation on an Environment: `"true"` makes it the one for Applications that name none, as on a StorageClass.
pub const DEFAULT: &str = "mooring.dev/default";

/// Annotation on a CloudResource: the identity of its external resource, written before the first create.
pub const IDENTITY: &str = "mooring.dev/identity";
/// Annotation on a CloudResource: a lost resource may be made anew, empty. Its value is the incarnation that was lost.
pub const RECREATE: &str = "mooring.dev/recreate";
/// Annotation on a CloudResource: its consumers are not waited for.
pub const RELEASE: &str = "mooring.dev/release";
/// Prefix of an annotation on an Environment or a ProviderConfig, which only an SRE may write; the identity follows.
/// Its value is what is approved: `delete`, `abandon`, or `move:` and the key it may move to.
pub const APPROVE: &str = "approve.mooring.dev/";
/// Annotation on a CloudResource: a value that, once changed, makes new credentials.
pub const ROTATE: &str = "mooring.dev/rotate";
/// Annotation on a Secret of ours: it holds credentials that the provider was not told of yet.
pub const PENDING: &str = "mooring.dev/pending";
/// Annotation on a Secret of ours: its revision. Annotation on a pod template: the revision of what is bound into it. A new one rolls the pods.
pub const BINDING_REVISION: &str = "mooring.dev/binding-revision";

/// Finalizer on a CloudResource, an Application and a ProviderConfig: there is something to tear down first.
pub const FINALIZER: &str = "mooring.dev/teardown";

/// Field manager of the Application controller, and of the workloads it renders.
pub const MANAGER_APPLICATION: &str = "mooring-application";
/// Field manager of the CloudResource controller.
pub const MANAGER_RESOURCE: &str = "mooring-resource";
/// Field manager of the binding controller, on every workload.
pub const MANAGER_BINDING: &str = "mooring-binding";

/// Label KubeVela puts on what it makes: the component.
pub const OAM_COMPONENT: &str = "app.oam.dev/component";
/// Label KubeVela puts on what it makes: the Application.
pub const OAM_NAME: &str = "app.oam.dev/name";
/// Label KubeVela puts on what it makes: the Application's namespace.
pub const OAM_NAMESPACE: &str = "app.oam.dev/namespace";
