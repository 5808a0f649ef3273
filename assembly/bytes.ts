// Big-endian loads and stores, and the limits of integers that JavaScript can hold. Raw pointers, nothing managed.

// @ts-ignore: decorator
@inline export const SAFE_INTEGER_LAST: i64 = 9007199254740991;

// @ts-ignore: decorator
@inline export function loadI16(pointer: usize): i32 {
  return <i32>bswap<i16>(load<i16>(pointer));
}

// @ts-ignore: decorator
@inline export function loadI32(pointer: usize): i32 {
  return bswap<i32>(load<i32>(pointer));
}

// @ts-ignore: decorator
@inline export function loadI64(pointer: usize): i64 {
  return bswap<i64>(load<i64>(pointer));
}

// @ts-ignore: decorator
@inline export function storeI16(pointer: usize, value: i32): void {
  store<i16>(pointer, bswap<i16>(<i16>value));
}

// @ts-ignore: decorator
@inline export function storeI32(pointer: usize, value: i32): void {
  store<i32>(pointer, bswap<i32>(value));
}

// @ts-ignore: decorator
@inline export function storeI64(pointer: usize, value: i64): void {
  store<i64>(pointer, bswap<i64>(value));
}

// @ts-ignore: decorator
@inline export function isSafe(value: i64): bool {
  return value >= -SAFE_INTEGER_LAST && value <= SAFE_INTEGER_LAST;
}
