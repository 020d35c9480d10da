variable "trail_name" {
  type    = string
  default = "qtrail"
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{2,127}$", var.trail_name))
    error_message = "The name of a trail has 3 to 128 letters, digits, dots, dashes and underscores."
  }
}

variable "bucket_prefix" {
  type        = string
  default     = "qtrail-cloudtrail"
  description = "The bucket's name is PREFIX-ACCOUNT-REGION."
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{2,29}$", var.bucket_prefix))
    error_message = "The prefix has 3 to 30 lower-case letters, digits and dashes."
  }
}

variable "organization_id" {
  type        = string
  default     = ""
  description = "For a trail of the whole organization, its id (o-...). Apply it in the management account, with trusted access for CloudTrail."
  validation {
    condition     = can(regex("^(o-[a-z0-9]{10,32})?$", var.organization_id))
    error_message = "The id of an organization begins with o-."
  }
}

variable "management_events" {
  type        = bool
  default     = true
  description = "Whether the trail logs management events, which include Amazon Q's calls to other services. The first copy of them is free of charge in each region; use false if another trail has them."
}

variable "expire_after_days" {
  type        = number
  default     = 365
  description = "How long log files are kept."
}

variable "max_receives" {
  type        = number
  default     = 10
  description = "How often a message is received before it goes to the dead-letter queue. A killed replica costs each of its messages one receive."
}

variable "pod_identity_role" {
  type        = bool
  default     = false
  description = "Whether to create a role for EKS Pod Identity with the rights to read the queue and the bucket."
}
