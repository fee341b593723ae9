# Your own password, which is in no plan and no state. This needs Terraform 1.11 or OpenTofu 1.11.
# To change the password, set a new value and increase password_wo_version.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

variable "redis_password" {
  description = "Password of Redis: letters, digits and -_.~@%^+=:,/!"
  type        = string
  sensitive   = true
  ephemeral   = true
}

resource "redis_k8s_instance" "guarded" {
  name             = "guarded"
  namespace        = "redis"
  create_namespace = true

  authentication = {
    enabled             = true
    password_wo         = var.redis_password
    password_wo_version = 1
  }
}

output "password_is_in" {
  value = redis_k8s_instance.guarded.auth_secret
}
