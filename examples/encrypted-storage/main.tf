# Data at rest on encrypted volumes, through a storage class. This example does not create the storage class.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "vault" {
  name             = "vault"
  namespace        = "redis"
  create_namespace = true

  persistence = {
    enabled       = true
    storage_class = "gp3-encrypted"
    size          = "50Gi"
  }
}

output "url" {
  value = redis_k8s_instance.vault.url
}
