"use client";
import type { ReactNode } from "react";
import { useSession } from "../../contexts/SessionContext.js";
import { acceptedTypes, useAdd, type FileRules } from "../../hooks/useAdd.js";
import { usePageFiles } from "../../hooks/usePageFiles.js";
import { useTexts } from "./parts.js";

export interface FileFieldProps extends FileRules {
  /** Whether files that are dropped anywhere on the page, or pasted, are added. Default: true. */
  pageWide?: boolean | undefined;
}

interface Props extends FileFieldProps {
  name: "drop" | "attach";
  children: ReactNode;
}

/** A label with a file field in it, and on phones one for the camera if images are allowed. */
export function FileField({ name, children, pageWide = true, ...rules }: Props) {
  const { session } = useSession();
  const [texts, part] = useTexts();
  const add = useAdd(rules);
  const { disabled } = rules;
  const isOver = usePageFiles(add, pageWide && !disabled);
  const accept = rules.accept ?? session?.limits.types.map((type) => `.${type}`).join();
  const field = (isCamera?: boolean) => (
    <input
      type="file"
      multiple={!isCamera}
      accept={isCamera ? "image/*" : accept}
      capture={isCamera && "environment"}
      disabled={disabled}
      onChange={({ target }) => {
        add(target.files);
        target.value = ""; // Otherwise choosing the same file again fires no event.
      }}
    />
  );
  return (
    <>
      <label className={part(name)} lang={texts.lang} dir={texts.dir} data-over={isOver}>
        {children}
        {field()}
      </label>
      {acceptedTypes(rules, session?.limits).some((type) => /^jpe?g$/.test(type)) && (
        <label className={part("camera")} lang={texts.lang} dir={texts.dir}>
          {texts.camera}
          {field(true)}
        </label>
      )}
      {isOver && (
        <span className={part("overlay")} aria-hidden="true">
          {texts.dropAnywhere}
        </span>
      )}
    </>
  );
}
