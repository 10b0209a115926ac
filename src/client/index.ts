/**
 * `shoal/client`: a typed client of a node's gateway.
 * @module
 */
export type { Answer, SchemaName } from '../gateway/openapi-schemas.ts'
export { GatewayError } from './answer.ts'
export type {
  CallOptions,
  CheckEvent,
  ClientOptions,
  InsertCall,
  PartCall,
  PublishCall,
  Spreading,
  TransferCall,
  UploadCall,
} from './client.ts'
export { ShoalClient } from './client.ts'
export type { Body, Transport, TransportRequest, TransportResponse } from './transport.ts'
