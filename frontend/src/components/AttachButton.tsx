"use client";
import type { ReactNode } from "react";
import { FileField, type FileFieldProps } from "./shared/FileField.js";
import { useTexts } from "./shared/parts.js";

export interface AttachButtonProps extends FileFieldProps {
  /** The label. Default: `messages.attach`. */
  children?: ReactNode;
}

/** A small button that adds files, for example in the composer of a chat. */
export function AttachButton({ children, ...rules }: AttachButtonProps) {
  const [texts] = useTexts();
  return (
    <FileField name="attach" {...rules}>
      {children ?? texts.attach}
    </FileField>
  );
}
