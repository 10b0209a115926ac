/**
 * The header fields of resumable uploads (draft-ietf-httpbis-resumable-upload): structured fields
 * (RFC 9651), of which only booleans and integers occur.
 * @module
 */
import type { Request, Response } from 'express'

import { ShoalError } from '../../errors.ts'
import type { UploadState } from '../../node.ts'

/** What the body of a part is. */
export const PART_TYPE = 'application/partial-upload'

/** `Upload-Complete`; undefined where it is absent. @throws ShoalError E_REQUEST */
export function uploadComplete(request: Request): boolean | undefined {
  const value = request.get('Upload-Complete')
  if (value === undefined) return undefined
  if (!/^\?[01]$/.test(value)) throw badField('Upload-Complete', '?0 or ?1')
  return value === '?1'
}

/** A field that counts bytes; undefined where it is absent. @throws ShoalError E_REQUEST */
export function uploadBytes(
  request: Request,
  field: 'Upload-Offset' | 'Upload-Length',
): number | undefined {
  const value = request.get(field)
  if (value === undefined) return undefined
  // as long as integers of structured fields may be
  if (!/^\d{1,15}$/.test(value)) throw badField(field, 'a number of bytes')
  return Number(value)
}

/** Bytes in all: said, or those of a body that is the last part. @throws ShoalError E_REQUEST */
export function totalBytes(request: Request, offset: number, isLast: boolean): number | undefined {
  const said = uploadBytes(request, 'Upload-Length')
  const body = request.headers['content-length']
  const counted = isLast && body !== undefined ? offset + Number(body) : undefined
  if (said !== undefined && counted !== undefined && said !== counted) {
    throw new ShoalError('E_REQUEST', 'Upload-Length and Content-Length say different lengths.')
  }
  return said ?? counted
}

/** @throws ShoalError E_REQUEST unless the body says that it is a part. */
export function checkPartType(request: Request): void {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== PART_TYPE) throw badField('Content-Type', PART_TYPE)
}

/** Where an upload stands. */
export function setUploadFields(response: Response, state: UploadState): void {
  response.setHeader('Upload-Offset', state.offset)
  response.setHeader('Upload-Complete', state.result === undefined ? '?0' : '?1')
  if (state.length !== undefined) response.setHeader('Upload-Length', state.length)
}

function badField(field: string, what: string): ShoalError {
  return new ShoalError('E_REQUEST', `${field} has to be ${what}.`)
}
