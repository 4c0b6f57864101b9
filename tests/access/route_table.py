"""Who may make which call: a row for every route of both APIs, a column for every kind of caller.

The image of a row is project `publisher`'s, `shared`, and accepted by project `recipient`; rules and
publishers are those of the caller's own project; no object store is configured. Nothing here is computed: a
changed rule is a changed row, and a new route without a row fails. `table.py` has every visibility and
membership for what is done with images.

Columns: owner (member, reader), recipient (member, reader), other (member, reader), admin, anonymous.
"""

ROUTES = """
# Without a token: whoever asks.
300 300 300 300 300 300 300 300  GET /
300 300 300 300 300 300 300 300  HEAD /
200 200 200 200 200 200 200 200  GET /versions
200 200 200 200 200 200 200 200  HEAD /versions
200 200 200 200 200 200 200 200  GET /openapi.json
200 200 200 200 200 200 200 200  GET /healthz
200 200 200 200 200 200 200 200  GET /readyz
200 200 200 200 200 200 200 200  GET /healthcheck
204 204 204 204 204 204 204 204  HEAD /healthcheck
200 200 200 200 200 200 200 200  GET /metrics

# The Image API v2.
302 302 302 302 302 302 302 401  GET /v2
200 200 200 200 200 200 200 401  GET /v2/images
201 403 201 403 201 403 201 401  POST /v2/images
200 200 200 200 404 404 200 401  GET /v2/images/{image_id}
200 403 403 403 404 404 200 401  PATCH /v2/images/{image_id}
204 403 403 403 404 404 204 401  DELETE /v2/images/{image_id}
200 403 200 403 404 404 200 401  GET /v2/images/{image_id}/file
200 403 200 403 404 404 200 401  HEAD /v2/images/{image_id}/file
204 403 403 403 404 404 204 401  PUT /v2/images/{image_id}/file
204 403 403 403 404 404 204 401  PUT /v2/images/{image_id}/stage
409 403 403 403 404 404 409 401  POST /v2/images/{image_id}/import
200 200 200 200 404 404 200 401  GET /v2/images/{image_id}/tasks
403 403 403 403 404 404 403 401  POST /v2/images/{image_id}/locations
403 403 403 403 404 404 200 401  GET /v2/images/{image_id}/locations
204 403 403 403 404 404 204 401  POST /v2/images/{image_id}/actions/deactivate
204 403 403 403 404 404 204 401  POST /v2/images/{image_id}/actions/reactivate
204 403 403 403 404 404 204 401  PUT /v2/images/{image_id}/tags/{tag}
204 403 403 403 404 404 204 401  DELETE /v2/images/{image_id}/tags/{tag}
200 200 200 200 404 404 200 401  GET /v2/images/{image_id}/members
200 403 403 403 404 404 200 401  POST /v2/images/{image_id}/members
200 200 200 200 404 404 200 401  GET /v2/images/{image_id}/members/{member_id}
403 403 200 403 404 404 200 401  PUT /v2/images/{image_id}/members/{member_id}
204 403 403 403 404 404 204 401  DELETE /v2/images/{image_id}/members/{member_id}
200 200 200 200 200 200 200 401  GET /v2/schemas/image
200 200 200 200 200 200 200 401  GET /v2/schemas/images
200 200 200 200 200 200 200 401  GET /v2/schemas/member
200 200 200 200 200 200 200 401  GET /v2/schemas/members
200 200 200 200 200 200 200 401  GET /v2/schemas/task
200 200 200 200 200 200 200 401  GET /v2/schemas/tasks
403 403 403 403 403 403 200 401  GET /v2/tasks
403 403 403 403 403 403 400 401  POST /v2/tasks
403 403 403 403 403 403 404 401  GET /v2/tasks/{task_id}
200 200 200 200 200 200 200 401  GET /v2/info/import
200 200 200 200 200 200 200 401  GET /v2/info/stores
403 403 403 403 403 403 200 401  GET /v2/info/stores/detail
403 403 403 403 403 403 200 401  GET /v2/cache
403 403 403 403 403 403 204 401  DELETE /v2/cache
403 403 403 403 404 404 202 401  PUT /v2/cache/{image_id}
403 403 403 403 404 404 204 401  DELETE /v2/cache/{image_id}
403 403 403 403 403 403 409 401  GET /v2/cache/nodes/{image_id}
403 403 403 403 403 403 200 401  POST /v2/cache/clean
403 403 403 403 403 403 200 401  POST /v2/cache/prune
403 403 403 403 404 404 403 401  DELETE /v2/stores/{store_id}/{image_id}
200 200 200 200 200 200 200 401  GET /v2/info/usage

# Metadata definitions: everybody reads what is public, an admin writes.
200 200 200 200 200 200 200 401  GET /v2/metadefs/resource_types
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}
403 403 403 403 403 403 200 401  PUT /v2/metadefs/namespaces/{namespace}
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/objects
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces/{namespace}/objects
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/objects
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/objects/{name}
403 403 403 403 403 403 200 401  PUT /v2/metadefs/namespaces/{namespace}/objects/{name}
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/objects/{name}
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/properties
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces/{namespace}/properties
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/properties
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/properties/{name}
403 403 403 403 403 403 200 401  PUT /v2/metadefs/namespaces/{namespace}/properties/{name}
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/properties/{name}
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/tags
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces/{namespace}/tags
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/tags
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/tags/{name}
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces/{namespace}/tags/{name}
403 403 403 403 403 403 200 401  PUT /v2/metadefs/namespaces/{namespace}/tags/{name}
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/tags/{name}
200 200 200 200 200 200 200 401  GET /v2/metadefs/namespaces/{namespace}/resource_types
403 403 403 403 403 403 201 401  POST /v2/metadefs/namespaces/{namespace}/resource_types
403 403 403 403 403 403 204 401  DELETE /v2/metadefs/namespaces/{namespace}/resource_types/{name}
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/namespace
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/namespaces
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/object
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/objects
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/property
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/properties
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/tag
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/tags
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/resource_type
200 200 200 200 200 200 200 401  GET /v2/schemas/metadefs/resource_types

# The built-in identity: a user sees itself, an admin everybody; who is no user of it is 401.
300 300 300 300 300 300 300 300  GET /identity
300 300 300 300 300 300 300 300  GET /identity/
200 200 200 200 200 200 200 200  GET /identity/v3
200 200 200 200 200 200 200 200  GET /identity/v3/
401 401 401 401 401 401 401 401  POST /identity/v3/auth/tokens
200 403 403 403 403 403 200 401  GET /identity/v3/auth/tokens
200 403 403 403 403 403 200 401  HEAD /identity/v3/auth/tokens
204 403 403 403 403 403 204 401  DELETE /identity/v3/auth/tokens
200 200 200 200 200 200 200 401  GET /identity/v3/auth/catalog
200 200 200 200 200 200 200 401  GET /identity/v3/auth/projects
200 200 200 200 200 200 200 401  GET /identity/v3/auth/domains
200 200 200 200 200 200 200 401  GET /identity/v3/projects
200 200 200 200 200 200 200 401  GET /identity/v3/projects/{id}
200 200 200 200 200 200 200 401  GET /identity/v3/domains
200 200 200 200 200 200 200 401  GET /identity/v3/domains/{id}
200 200 200 200 200 200 200 401  GET /identity/v3/users
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}/projects
401 404 404 404 404 404 404 401  POST /identity/v3/users/{id}/password
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}/application_credentials
201 404 404 404 404 404 404 401  POST /identity/v3/users/{id}/application_credentials
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}/application_credentials/{credential_id}
204 404 404 404 404 404 204 401  DELETE /identity/v3/users/{id}/application_credentials/{credential_id}
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}/access_rules
200 404 404 404 404 404 200 401  GET /identity/v3/users/{id}/access_rules/{rule_id}
204 404 404 404 404 404 204 401  DELETE /identity/v3/users/{id}/access_rules/{rule_id}
200 200 200 200 200 200 200 401  GET /identity/v3/roles
200 200 200 200 200 200 200 401  GET /identity/v3/roles/{id}
403 403 403 403 403 403 200 401  GET /identity/v3/role_assignments
200 200 200 200 200 200 200 401  GET /identity/v3/services
200 200 200 200 200 200 200 401  GET /identity/v3/services/{id}
200 200 200 200 200 200 200 401  GET /identity/v3/endpoints
200 200 200 200 200 200 200 401  GET /identity/v3/endpoints/{id}
200 200 200 200 200 200 200 401  GET /identity/v3/regions
200 200 200 200 200 200 200 401  GET /identity/v3/regions/{id}

# The share API. A project's rules are its own; publishers are verified by an admin.
200 200 200 200 200 200 200 401  GET /share/v1
200 200 200 200 200 200 200 200  GET /share/v1/problems/{name}
308 308 308 308 308 308 308 308  GET /share/v1/openapi.json
200 200 200 200 200 200 200 401  GET /share/v1/rules
200 200 200 200 200 200 200 401  GET /share/v1/rules/{recipients}/{recipient_id}
201 403 201 403 201 403 201 401  PUT /share/v1/rules/{recipients}/{recipient_id}
204 403 204 403 204 403 204 401  DELETE /share/v1/rules/{recipients}/{recipient_id}
200 200 200 200 200 200 200 401  GET /share/v1/rules/everybody
201 403 201 403 201 403 201 401  PUT /share/v1/rules/everybody
204 403 204 403 204 403 204 401  DELETE /share/v1/rules/everybody
200 200 200 200 200 200 200 401  GET /share/v1/publishers/{project_id}
403 403 403 403 403 403 201 401  PUT /share/v1/publishers/{project_id}
403 403 403 403 403 403 204 401  DELETE /share/v1/publishers/{project_id}

# Webhooks: the owner's.
200 200 200 200 200 200 200 401  GET /share/v1/hooks
201 403 201 403 201 403 201 401  POST /share/v1/hooks
200 200 404 404 404 404 200 401  GET /share/v1/hooks/{hook_id}
200 403 404 404 404 404 200 401  PATCH /share/v1/hooks/{hook_id}
204 403 404 404 404 404 204 401  DELETE /share/v1/hooks/{hook_id}
200 403 404 404 404 404 200 401  POST /share/v1/hooks/{hook_id}/secret
202 403 404 404 404 404 202 401  POST /share/v1/hooks/{hook_id}/test
200 403 404 404 404 404 200 401  PUT /share/v1/hooks/{hook_id}/cursor

# The operator's.
403 403 403 403 403 403 200 401  GET /share/v1/operation
403 403 403 403 403 403 200 401  GET /share/v1/projects

# Sharing. Verbs over sets answer 200 and say what could not be done.
200 200 200 200 200 200 200 401  GET /share/v1/events
200 200 404 404 404 404 200 401  GET /share/v1/images/{image_id}/shares
200 200 404 404 404 404 200 401  GET /share/v1/images/{image_id}/shares/summary
200 200 404 404 404 404 200 401  GET /share/v1/images/{image_id}/shares/{recipients}/{recipient_id}
200 200 200 200 200 200 200 401  GET /share/v1/inbox
404 404 200 200 404 404 404 401  GET /share/v1/inbox/images/{image_id}
404 404 200 200 404 404 404 401  GET /share/v1/inbox/families/{family_id}
200 200 200 200 200 200 200 401  GET /share/v1/inbox/summary
200 200 200 200 200 200 200 401  GET /share/v1/recipients
200 200 200 200 200 200 200 401  GET /share/v1/shares
200 403 404 403 404 403 200 401  PATCH /share/v1/images/{image_id}/shares/{recipients}/{recipient_id}
200 403 200 403 200 403 200 401  POST /share/v1/answers
200 403 200 403 200 403 200 401  POST /share/v1/offers
200 403 200 403 200 403 200 401  POST /share/v1/withdrawals
200 403 404 403 404 403 200 401  PUT /share/v1/images/{image_id}/shares

# Families. Each is offered to the recipient, which has not answered, and sees the images of versions.
204 403 403 403 404 404 204 401  DELETE /share/v1/families/{family_id}
204 403 403 403 404 404 204 401  DELETE /share/v1/families/{family_id}/versions/{number}
200 200 200 200 200 200 200 401  GET /share/v1/families
200 200 200 200 404 404 200 401  GET /share/v1/families/{family_id}
200 200 404 404 404 404 200 401  GET /share/v1/families/{family_id}/current
200 200 403 403 404 404 200 401  GET /share/v1/families/{family_id}/members
200 200 403 403 404 404 200 401  GET /share/v1/families/{family_id}/members/{recipients}/{recipient_id}
200 200 404 404 404 404 200 401  GET /share/v1/families/{family_id}/versions
200 200 404 404 404 404 200 401  GET /share/v1/families/{family_id}/versions/{number}
200 403 403 403 404 404 200 401  PATCH /share/v1/families/{family_id}
200 403 403 403 404 404 200 401  PATCH /share/v1/families/{family_id}/members/{recipients}/{recipient_id}
200 403 403 403 404 404 200 401  PATCH /share/v1/families/{family_id}/versions/{number}
201 403 201 403 201 403 201 401  POST /share/v1/families
201 403 403 403 404 404 201 401  POST /share/v1/families/{family_id}/versions
200 403 403 403 404 404 200 401  POST /share/v1/families/{family_id}/versions/{number}/restore
200 403 403 403 404 404 200 401  POST /share/v1/families/{family_id}/versions/{number}/revoke
200 403 403 403 404 404 200 401  PUT /share/v1/families/{family_id}/current
200 403 403 403 404 404 200 401  PUT /share/v1/families/{family_id}/members

# The IMS API. On paths of the extension 404 is 400. A batch that a caller may make answers 200 with a job.
300 300 300 300 300 300 300 401  GET /v1
300 300 300 300 300 300 300 401  GET /v1.1
300 300 300 300 300 300 300 401  GET /ims/v2
200 200 200 200 200 200 200 401  GET /v2/cloudimages
200 403 400 403 400 400 200 401  PATCH /v2/cloudimages/{image_id}
200 200 200 200 200 200 200 401  GET /ims/v2/images
201 403 201 403 201 403 201 401  POST /ims/v2/images
200 200 200 200 404 404 200 401  GET /ims/v2/images/{image_id}
200 403 403 403 404 404 200 401  PATCH /ims/v2/images/{image_id}
204 403 403 403 404 404 204 401  DELETE /ims/v2/images/{image_id}
200 200 200 200 200 200 200 401  GET /v1.1/images/detail
200 200 200 200 404 404 200 401  HEAD /v1/images/{image_id}
204 403 403 403 404 404 204 401  DELETE /v1.1/images/{image_id}
200 200 200 200 200 200 200 401  GET /v1/cloudimages/quota
200 200 200 200 200 200 200 401  GET /v1/cloudimages/os_version
400 400 400 400 400 400 400 401  POST /v2/cloudimages/action
400 400 400 400 400 400 400 401  POST /v2/cloudimages/quickimport/action
400 400 400 400 400 400 400 401  POST /v1/cloudimages/dataimages/action
400 400 400 400 400 400 400 401  POST /v2/cloudimages/dataimages/action
400 400 400 400 400 400 400 401  POST /v1/cloudimages/wholeimages/action
400 400 400 400 400 400 400 401  PUT /v1/cloudimages/{image_id}/upload
400 400 400 400 400 400 400 401  POST /v1/cloudimages/{image_id}/file
400 400 400 400 400 400 400 401  POST /v2/cloudimages/{image_id}/file
400 400 400 400 400 400 400 401  POST /v1/cloudimages/{image_id}/cross_region_copy
200 403 200 403 400 403 200 401  POST /v1/cloudimages/members
400 403 200 403 400 403 400 401  PUT /v1/cloudimages/members
200 403 400 403 400 403 200 401  DELETE /v1/cloudimages/members
200 200 200 200 400 400 200 401  GET /v1/{project_id}/cloudimages/{image_id}/members
200 200 200 200 400 400 200 401  GET /v1/{project_id}/cloudimages/{image_id}/members/{member_id}
400 400 400 400 400 400 400 401  GET /v1/{project_id}/jobs/{job_id}
400 400 400 400 400 400 400 401  GET /v1/cloudimages/job/{job_id}
200 403 200 403 400 400 200 401  POST /v1/cloudimages/{image_id}/copy
200 403 200 403 400 400 200 401  POST /v2/cloudimages/{image_id}/copy
200 200 200 200 404 404 200 401  GET /ims/v2/images/{image_id}/members
200 403 403 403 404 404 200 401  POST /ims/v2/images/{image_id}/members
200 200 200 200 404 404 200 401  GET /ims/v2/images/{image_id}/members/{member_id}
403 403 200 403 404 404 403 401  PUT /ims/v2/images/{image_id}/members/{member_id}
204 403 403 403 404 404 204 401  DELETE /ims/v2/images/{image_id}/members/{member_id}
204 403 403 403 404 404 204 401  PUT /ims/v2/images/{image_id}/tags/{tag}
204 403 403 403 404 404 204 401  DELETE /ims/v2/images/{image_id}/tags/{tag}
200 200 200 200 200 200 200 401  GET /v1/cloudimages/tags
204 403 400 403 400 400 204 401  PUT /v1/cloudimages/tags
204 403 400 403 400 400 204 401  DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete
204 403 400 403 400 400 204 401  POST /v1/{project_id}/cloudimages/{image_id}/tags/delete
200 200 200 200 200 200 200 401  GET /v2/{project_id}/images/tags
200 200 200 200 404 404 200 401  GET /v2/{project_id}/images/{image_id}/tags
204 403 403 403 404 404 204 401  POST /v2/{project_id}/images/{image_id}/tags
204 403 403 403 404 404 204 401  POST /v2/{project_id}/images/{image_id}/tags/action
404 403 403 403 404 404 404 401  DELETE /v2/{project_id}/images/{image_id}/tags/action
204 403 403 403 404 404 204 401  DELETE /v2/{project_id}/images/{image_id}/tags/{key}
200 200 200 200 200 200 200 401  POST /v2/{project_id}/images/resource_instances/action
"""
