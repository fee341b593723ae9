# Pods with a service account that has an IAM role (IRSA). The service account must be in the namespace of the instance.
# This example does not create the service account.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "orders" {
  name            = "orders"
  namespace       = "redis"
  service_account = "redis-backup-sa"
}

output "url" {
  value = redis_k8s_instance.orders.url
}
